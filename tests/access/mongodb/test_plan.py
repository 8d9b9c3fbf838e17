"""What the command changes: computed from what is wanted and what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.layout import PROJECT
from shared.contracts.reference import DEPUTIES
from shared.contracts.services import SERVICES
from tools.access import passwords
from tools.access.mongodb_plan import (
    Change,
    PasswordUnknown,
    Present,
    grants_of,
    retired,
    role_changes,
    user_changes,
)
from tools.access.mongodb_rights import Grant, Role, role_of, roles_of_people
from tools.access.passwords import BadSecret, Login
from tools.access.workloads import Workload, workloads

_COLLECTION = re.compile(r"""\bdatabase\["([a-z_.]+)"\]""")
_DEPUTIES = [deputy.id for deputy in DEPUTIES]
_WORKLOADS = workloads(_DEPUTIES)
_EMPTY = Present({}, {}, ())
_LOGIN = Login("reports", "p" * 20)

GRANTS = st.frozensets(
    st.builds(
        Grant,
        st.sampled_from(["a", "b"]),
        st.sampled_from(["x", "y", "z"]),
        st.frozensets(st.sampled_from(["find", "insert", "update"]), min_size=1),
    ),
    max_size=4,
)


def as_info(change: Change) -> dict[str, object]:
    """A role as `rolesInfo` shows it after the command."""
    assert change.command is not None
    return {"privileges": change.command["privileges"], "roles": []}


@given(former=GRANTS | st.none(), wanted=GRANTS)
def test_a_role_gets_exactly_its_grants_once(
    former: frozenset[Grant] | None, wanted: frozenset[Grant]
) -> None:
    role = Role("r", tuple(wanted))
    changes = list(role_changes([role], Present({"r": former}, {}, ())))
    after = grants_of(as_info(changes[0])) if changes else former
    assert after == wanted
    assert list(role_changes([role], Present({"r": after}, {}, ()))) == []


def test_the_difference_names_each_right() -> None:
    former = frozenset({Grant("reports", "commits", frozenset({"find", "remove"}))})
    role = Role("reports", (Grant("reports", "commits", frozenset({"find", "insert"})),))
    (change,) = role_changes([role], Present({"reports": former}, {}, ()))
    assert change.detail == "+ reports.commits: insert; - reports.commits: remove"


def test_what_no_grant_expresses_is_replaced() -> None:
    assert grants_of({"roles": [{"role": "root", "db": "admin"}]}) is None
    assert grants_of({"privileges": [{"resource": {"cluster": True}, "actions": []}]}) is None


def test_a_first_run_creates_a_user_with_a_new_password(tmp_path: Path) -> None:
    (change,) = user_changes("reports", tmp_path, None, _EMPTY, rotate=False)
    assert (change.subject, change.what) == ("user reports", "create")
    assert change.command is not None
    assert change.login is not None
    assert change.command["pwd"] == change.login[1].password
    assert change.command["pwd"] not in repr(change)


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    present = Present({}, {"reports": frozenset({"reports"})}, (_LOGIN,))
    assert list(user_changes("reports", tmp_path, _LOGIN, present, rotate=False)) == []


@pytest.mark.parametrize(
    ("users", "right", "what"),
    [
        ({}, (), "create"),
        ({"reports": frozenset({"reports"})}, (), "change"),
        ({"reports": frozenset({"reports", "root"})}, (_LOGIN,), "change"),
        ({"reports": frozenset()}, (_LOGIN,), "change"),
    ],
)
def test_a_password_of_a_file_is_taken(
    tmp_path: Path, users: dict[str, frozenset[str]], right: tuple[Login, ...], what: str
) -> None:
    present = Present({}, users, right)
    (change,) = user_changes("reports", tmp_path, _LOGIN, present, rotate=False)
    assert change.what == what
    assert change.login is None
    assert change.command is not None
    assert change.command["pwd"] == _LOGIN.password
    assert change.command["roles"] == [{"role": "reports", "db": "admin"}]


def test_a_password_that_is_in_no_file_is_not_replaced_unasked(tmp_path: Path) -> None:
    present = Present({}, {"reports": frozenset({"reports"})}, ())
    with pytest.raises(PasswordUnknown, match="--rotate"):
        list(user_changes("reports", tmp_path, None, present, rotate=False))
    (change,) = user_changes("reports", tmp_path, None, present, rotate=True)
    assert change.subject == "user reports.2"


def test_two_users_take_turns_and_the_former_goes_when_asked(tmp_path: Path) -> None:
    users = {"reports": frozenset({"reports"})}
    (change,) = user_changes(
        "reports", tmp_path, _LOGIN, Present({}, users, (_LOGIN,)), rotate=True
    )
    assert change.login is not None
    second = change.login[1]
    assert second.user == "reports.2"
    both = Present({}, {**users, second.user: frozenset({"reports"})}, (second,))
    assert list(user_changes("reports", tmp_path, second, both, rotate=False)) == []
    (removal,) = retired("reports", second, both)
    assert removal.command == {"dropUser": "reports"}
    (back,) = user_changes("reports", tmp_path, second, both, rotate=True)
    assert back.command is not None
    assert back.command["updateUser"] == "reports"


def test_files_are_private_and_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    passwords.write(folder, _LOGIN)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert passwords.read(folder) == _LOGIN
    passwords.write(folder, Login("reports.2", "q" * 20))
    assert passwords.read(folder) == Login("reports.2", "q" * 20)
    assert passwords.read(tmp_path / "nobody") is None


def test_files_that_cannot_be_trusted_are_refused(tmp_path: Path) -> None:
    passwords.write(tmp_path, _LOGIN)
    (tmp_path / passwords.PASSWORD).chmod(0o640)
    with pytest.raises(BadSecret, match="chmod 600"):
        passwords.read(tmp_path)
    passwords.write(tmp_path, Login("reports", "short"))
    with pytest.raises(BadSecret, match="longer"):
        passwords.read(tmp_path)
    (tmp_path / passwords.USERNAME).unlink()
    with pytest.raises(BadSecret, match="is missing"):
        passwords.read(tmp_path)


@pytest.mark.parametrize("workload", _WORKLOADS, ids=lambda workload: workload.name)
def test_a_workload_reaches_its_own_databases_alone(workload: Workload) -> None:
    role = role_of(workload, "t1")
    own = {f"t1followups_{deputy}" for deputy in workload.deputies} or {f"t1{workload.service}"}
    assert {grant.database for grant in role.grants} == own
    assert role.name == f"t1{workload.name}"


def test_only_one_workload_reaches_all_deputies() -> None:
    reach = {w.name: len({g.database for g in role_of(w).grants}) for w in _WORKLOADS}
    assert {name for name, databases in reach.items() if databases > 1} == {"followups-api"}


def test_nobody_removes_history_and_only_relays_mark_it() -> None:
    for workload in _WORKLOADS:
        for grant in role_of(workload).grants:
            assert grant.actions <= {
                "find", "insert", "update", "remove", "createIndex", "dropIndex",
            }  # fmt: skip
            if grant.collection == "commits":
                assert "remove" not in grant.actions
                assert ("update" in grant.actions) is ("relay" in workload.run)


def test_the_simulated_clock_is_read_in_development_alone() -> None:
    (scheduler, *_) = _WORKLOADS
    with_clock = role_of(scheduler, simulated_clock=True)
    assert set(with_clock.grants) - set(role_of(scheduler).grants) == {
        Grant("clock", "clock", frozenset({"find", "changeStream"}))
    }


def test_an_auditor_reads_and_an_operator_never_sees_a_history() -> None:
    operator, auditor, _ = roles_of_people(_DEPUTIES)
    assert {grant.collection for grant in operator.grants} == {"letters"}
    assert {action for grant in auditor.grants for action in grant.actions} == {"find"}


def test_an_eraser_removes_files_and_nothing_else() -> None:
    *_, eraser = roles_of_people(_DEPUTIES)
    removed = {grant.collection for grant in eraser.grants if "remove" in grant.actions}
    assert removed == {"evidence.files", "evidence.chunks"}
    changed = {grant.collection for grant in eraser.grants if "update" in grant.actions}
    assert changed == {"expectations", "replies", "erasures"}


def test_whoever_uses_a_collection_has_a_right_to_it() -> None:
    """Of the collections that the code of a service, or of all services, names."""
    for service in SERVICES:
        folders = (PROJECT / "services" / service, PROJECT / "shared" / "messaging")
        texts = [file.read_text() for folder in folders for file in folder.rglob("*.py")]
        used = {name for text in texts for name in _COLLECTION.findall(text)}
        granted = {g.collection for w in _WORKLOADS for g in role_of(w).grants}
        own = {g.collection for w in _WORKLOADS if w.service == service for g in role_of(w).grants}
        in_service = {
            name
            for file in folders[0].rglob("*.py")
            for name in _COLLECTION.findall(file.read_text())
        }
        assert used <= granted
        assert in_service <= own, service
        assert in_service, "the pattern finds nothing any more"
