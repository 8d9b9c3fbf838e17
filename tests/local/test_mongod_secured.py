"""A MongoDB of this machine that asks for users and TLS: through restarts, alone and of three."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from deploy.local.cluster import Cluster
from deploy.local.mongod_security import administrator_uri
from tests.local import clients

pytestmark = pytest.mark.secured

_MAJORITY = WriteConcern("majority")


@pytest.fixture(scope="module")
def own(local: Path, test_folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(test_folder / "own-secured", local / "cache", mongod_secured=True)
    try:
        cluster.start("mongod")
        yield cluster
    finally:
        cluster.close()


def test_users_and_data_outlive_a_kill(own: Cluster) -> None:
    uri = administrator_uri(own.layout)
    with clients.mongo(uri) as client:
        client["any"]["kept"].insert_one({"_id": 1})
    own.kill("mongod")
    own.start("mongod")
    with clients.mongo(uri) as client:
        assert client["any"]["kept"].find_one() == {"_id": 1}


def test_nobody_becomes_an_administrator_once_there_is_one(own: Cluster) -> None:
    """MongoDB lets a local client make the first user, and no second one."""
    with clients.mongo(own.mongodb_uri) as nobody, pytest.raises(OperationFailure) as refusal:
        nobody.admin.command("createUser", "another", pwd="x" * 20, roles=["root"])
    assert refusal.value.code == 13


def test_nobody_listens_in_and_nothing_secret_can_be_read_by_others(own: Cluster) -> None:
    plain, _, _ = own.mongodb_uri.partition("&tls=")
    client: MongoClient[dict[str, Any]] = MongoClient(plain, serverSelectionTimeoutMS=1_500)
    with client, pytest.raises(PyMongoError):
        client.admin.command("hello")
    folder = own.layout.mongod_secrets
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    private = ("server.pem", "server.both.pem", "members.key", "administrator.password", "ca.key")
    for file in private:
        assert stat.S_IMODE((folder / file).stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in own.layout.mongod_authority.read_text()


@pytest.mark.replicated
def test_three_members_know_each_other_by_their_key(local: Path, test_folder: Path) -> None:
    cluster = Cluster(test_folder / "three-secured", local / "cache", nodes=3, mongod_secured=True)
    try:
        cluster.start("mongod")
        with clients.mongo(administrator_uri(cluster.layout)) as client:
            majority = client["any"].with_options(write_concern=_MAJORITY)
            majority["kept"].insert_one({"_id": 1})
        former = cluster.mongod_primary()
        cluster.kill(former)
        assert cluster.mongod_primary(besides=former) != former
        with clients.mongo(administrator_uri(cluster.layout)) as client:
            assert client["any"]["kept"].find_one() == {"_id": 1}
    finally:
        cluster.close(remove=True)
