"""A person with the role `eraser` can erase, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import pytest
from pymongo.errors import OperationFailure

from shared.contracts.reference import DEPUTIES
from shared.runtime.refused_rights import refused_right
from tests.access.mongodb.narrowing import without_right
from tests.access.mongodb.secured import Client, Installation, client
from tests.unit.erase.examples import AT, of
from tools.access.mongodb_rights import Role, roles_of_people
from tools.erase.databases import Databases

pytestmark = pytest.mark.secured

_PASSWORD = "an eraser's password"
_ONE: Final = ("civil",)
_BODY = b'{"report_id": "r-1", "revision": 1, "content": {"answers": {}}}'


@pytest.fixture(scope="module")
def eraser(installation: Installation) -> str:
    """The connection string of a person with the role."""
    user, space = f"{installation.namespace}m.eraser", installation.namespace
    with installation.as_administrator() as admin:
        admin.admin.command("createUser", user, pwd=_PASSWORD, roles=[f"{space}eraser"])
    scheme, _, rest = installation.cluster.mongodb_uri.partition("://")
    return f"{scheme}://{quote(user)}:{quote(_PASSWORD)}@{rest}"


def _fill(admin: Client, space: str) -> None:
    """A season with a report and a file of evidence."""
    admin[f"{space}scheduler"]["sessions"].replace_one(
        {"_id": "s"}, {"season": "1402"}, upsert=True
    )
    report = {"revision": 1, "answers": {"a": {}}, "initiatives": [], "special_topics": []}
    document: dict[str, Any] = {"edition": 1, "report_id": "r-1", "report": report}
    reports = admin[f"{space}reports"]
    reports["expectations"].replace_one({"_id": "s"}, document, upsert=True)
    reports["replies"].replace_one({"_id": "k"}, {"body": _BODY}, upsert=True)
    civil = admin[f"{space}followups_civil"]
    piece = {"evidence_id": "e-1", "url": None}
    followup = {"session_id": "s", "evidence": [piece]}
    civil["followups"].replace_one({"_id": "f-1"}, followup, upsert=True)
    file = {"filename": "e-1", "length": 4, "uploadDate": AT}
    civil["evidence.files"].replace_one({"_id": "u-1"}, file, upsert=True)
    civil["evidence.chunks"].replace_one(
        {"files_id": "u-1", "n": 0}, {"data": b"page"}, upsert=True
    )
    for name in ("reports", "followups_civil"):
        admin[f"{space}{name}"]["erasures"].delete_many({})


def _erase(uri: str, space: str) -> str | None:
    """Erase the season; return what MongoDB says if it refuses."""
    with client(uri) as mine:
        there = Databases(mine, _ONE, space)
        try:
            there.recorded()
            found = there.season("1402")
            assert {one.is_there for one in found} == {True}
            assert len(found) == 2
            for number, one in enumerate(found):
                erasure = of(one.subject, f"x-{number}")
                assert there.is_there(erasure)
                there.erase(erasure, datetime.now(UTC))
        except OperationFailure as error:
            return refused_right(error)
    return None


def _role(space: str) -> Role:
    (role,) = [r for r in roles_of_people(_ONE, space) if r.name.endswith("eraser")]
    return role


@pytest.mark.timeout(300)
def test_each_right_is_needed_and_all_are_enough(installation: Installation, eraser: str) -> None:
    space, needless = installation.namespace, []
    role = _role(space)
    with installation.as_administrator() as admin:
        _fill(admin, space)
        assert _erase(eraser, space) is None
        civil = admin[f"{space}followups_civil"]
        assert civil["evidence.chunks"].count_documents({"files_id": "u-1"}) == 0
        assert admin[f"{space}reports"]["replies"].find_one({"_id": "k"})["body"] != _BODY  # type: ignore[index]
        for grant in role.grants:
            for action in sorted(grant.actions):
                _fill(admin, space)
                with without_right(admin, role, grant, action):
                    refused = _erase(eraser, space)
                place = f"{grant.database}.{grant.collection}"
                if refused is None:
                    needless.append(f"{action} in {place}")
                else:
                    assert f" in {place} is missing" in refused, (action, refused)
    assert needless == []


def test_an_eraser_reads_no_file_and_removes_no_record(
    installation: Installation, eraser: str
) -> None:
    space = installation.namespace
    with client(eraser) as mine:
        for database, collection in (
            ("followups_civil", "evidence.chunks"),
            ("followups_civil", "commits"),
            ("reports", "reads"),
            ("deadletters", "letters"),
        ):
            with pytest.raises(OperationFailure, match="not authorized"):
                mine[space + database][collection].find_one()
        for name in ("reports", "followups_civil"):
            with pytest.raises(OperationFailure, match="not authorized"):
                mine[space + name]["erasures"].delete_many({})


def test_the_role_reaches_every_deputy() -> None:
    deputies = [deputy.id for deputy in DEPUTIES]
    (role,) = [role for role in roles_of_people(deputies) if role.name == "eraser"]
    databases = {grant.database for grant in role.grants}
    assert databases == {"scheduler", "reports", *(f"followups_{name}" for name in deputies)}
