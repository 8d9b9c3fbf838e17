"""A user reaches its own database over TLS, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.cluster import Cluster
from shared.contracts.reference import DEPUTIES
from shared.runtime.refused_rights import refused_right
from tests.access.mongodb.secured import Client, Installation, client
from tools.access.mongodb_rights import role_of
from tools.access.passwords import Login
from tools.access.workloads import workloads

pytestmark = pytest.mark.secured

_UNAUTHORIZED = 13
_REFUSED_LOGIN = 18
_WORKLOADS = {w.name: w for w in workloads(deputy.id for deputy in DEPUTIES)}
_DATABASES = {grant.database for w in _WORKLOADS.values() for grant in role_of(w).grants}


@pytest.mark.parametrize("name", _WORKLOADS)
def test_a_workload_reads_no_database_of_another(installation: Installation, name: str) -> None:
    own = {grant.database for grant in role_of(_WORKLOADS[name]).grants}
    with installation.as_workload(name) as mine:
        for database in sorted(_DATABASES | {"deadletters", "admin", "local", "config"}):
            there = mine[
                database
                if database in {"admin", "local", "config"}
                else installation.namespace + database
            ]
            for collection in ("commits", "followups", "system.users", "oplog.rs"):
                if database in own and collection in {"commits", "followups"}:
                    continue
                assert _code(there[collection].find_one) == _UNAUTHORIZED, (database, collection)


def test_a_worker_of_civil_sees_neither_crisis_nor_the_scheduler(
    installation: Installation,
) -> None:
    space = installation.namespace
    with installation.as_administrator() as admin:
        admin[f"{space}followups_crisis"]["followups"].insert_one({"_id": "secret"})
        admin[f"{space}followups_civil"]["followups"].insert_one({"_id": "own"})
    with installation.as_workload("followups-civil") as civil:
        assert civil[f"{space}followups_civil"]["followups"].find_one() == {"_id": "own"}
        for database in ("followups_crisis", "scheduler"):
            there = civil[space + database]
            assert _code(there["followups"].find_one) == _UNAUTHORIZED
            assert _code(there["followups"].insert_one, {"_id": "mine"}) == _UNAUTHORIZED
        with pytest.raises(OperationFailure) as refusal:
            civil[f"{space}followups_crisis"]["followups"].find_one({"title": "پنهان"})
        line = refused_right(refusal.value)
        assert line is not None
        assert f"the right to find in {space}followups_crisis.followups is missing" in line
        assert "پنهان" not in line


@pytest.mark.parametrize("name", ["reports", "followups-civil", "followups-api"])
def test_nobody_rewrites_history(installation: Installation, name: str) -> None:
    database = installation.namespace + role_of(_WORKLOADS[name]).grants[0].database
    with installation.as_workload(name) as mine:
        commits = mine[database]["commits"]
        commits.insert_one({"events": [{"aggregate_id": name, "version": 1}]})
        assert _code(commits.delete_many, {}) == _UNAUTHORIZED
        assert _code(commits.drop) == _UNAUTHORIZED
        assert _code(commits.drop_indexes) == _UNAUTHORIZED
        assert _code(commits.rename, "other") == _UNAUTHORIZED
        assert _code(mine.drop_database, database) == _UNAUTHORIZED
        if name == "followups-api":  # it runs no relay, so it has nothing to mark
            assert _code(commits.update_many, {}, {"$set": {"by": "x"}}) == _UNAUTHORIZED


def test_nobody_grants_rights_to_itself(installation: Installation) -> None:
    with installation.as_workload("followups-api") as mine:
        user = installation.login("followups-api").user
        for command in (
            {"grantRolesToUser": user, "roles": ["root"]},
            {"updateUser": user, "pwd": "another"},
            {"usersInfo": 1},
            {"setParameter": 1, "logLevel": 5},
            {"listDatabases": 1, "authorizedDatabases": False},
        ):
            assert _code(mine.admin.command, command) == _UNAUTHORIZED, command


def test_a_process_may_end_its_own_sessions(installation: Installation) -> None:
    """A transaction that was abandoned while MongoDB did not answer blocks others until then."""
    with installation.as_workload("followups-civil") as mine, mine.start_session() as session:
        database = mine[f"{installation.namespace}followups_civil"]
        session.start_transaction()
        database["commits"].insert_one({"_id": "left open"}, session=session)
        assert mine.admin.command("killSessions", [session.session_id])["ok"] == 1
        with pytest.raises(OperationFailure):
            session.commit_transaction()


def test_a_wrong_password_and_no_password_reach_nothing(installation: Installation) -> None:
    user = installation.login("reports").user
    with client(installation.uri(Login(user, "not-this-one"))) as wrong:
        assert _code(wrong.admin.command, "ping") == _REFUSED_LOGIN
    with client(installation.cluster.mongodb_uri) as nobody:
        assert _code(nobody[f"{installation.namespace}reports"]["commits"].find_one) == (
            _UNAUTHORIZED
        )


def test_nothing_is_said_without_tls(secured: Cluster) -> None:
    plain, _, _ = secured.mongodb_uri.partition("&tls=")
    nobody: Client = MongoClient(plain, serverSelectionTimeoutMS=1_500)
    with nobody, pytest.raises(PyMongoError):
        nobody.admin.command("hello")


def test_an_installation_is_apart_from_another(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two namespaces of one MongoDB have users of their own."""
    other = Installation(installation.cluster, "other1", tmp_path_factory.mktemp("other"))
    assert other.command("--only", "reports").returncode == 0
    with other.as_workload("reports") as found:
        theirs: Client = found
        commits = theirs[f"{installation.namespace}reports"]["commits"]
        assert _code(commits.find_one) == _UNAUTHORIZED
        assert theirs["other1reports"]["commits"].find_one() is None


def _code(deed: Any, *arguments: Any) -> int | None:
    """The code with which MongoDB refuses; fails the test if it does not."""
    with pytest.raises(OperationFailure) as refusal:
        deed(*arguments)
    return refusal.value.code
