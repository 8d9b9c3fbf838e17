"""The command on a real MongoDB: what it makes, repeats, rotates and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymongo.errors import OperationFailure

from deploy.local.cluster import Cluster
from tests.access.mongodb.secured import Installation, client
from tools.access import passwords
from tools.access.passwords import Login

pytestmark = pytest.mark.secured

_DONE = "all roles and users are as they should be"


@pytest.fixture
def fresh(secured: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Installation:
    """A namespace without users yet."""
    name = f"c{abs(hash(request.node.name)) % 10**8}"
    return Installation(secured, name, tmp_path / "secrets")


def _accepts(installation: Installation, login: Login) -> bool:
    with client(installation.uri(login)) as found:
        try:
            found.admin.command("ping")
        except OperationFailure:
            return False
    return True


def test_a_dry_run_changes_nothing_and_a_second_run_has_nothing_to_do(
    fresh: Installation,
) -> None:
    tried = fresh.command("--dry-run", "--only", "reports")
    assert tried.returncode == 0, tried.stderr
    assert "would change" in tried.stdout
    assert not fresh.secrets.exists()
    first = fresh.command("--only", "reports")
    assert first.returncode == 0, first.stderr
    assert [line in first.stdout for line in ("role ", "user ", "create")] == [True] * 3
    login = fresh.login("reports")
    assert login.password not in first.stdout + first.stderr
    second = fresh.command("--only", "reports")
    assert second.stdout.strip() == _DONE
    assert fresh.login("reports") == login


def test_every_workload_gets_a_login_that_works(installation: Installation) -> None:
    names = sorted(folder.name for folder in installation.secrets.iterdir())
    assert len(names) == 13
    for name in names:
        assert _accepts(installation, installation.login(name)), name
    assert installation.command().stdout.strip() == _DONE


def test_rights_and_passwords_that_were_changed_by_hand_are_put_right(
    fresh: Installation,
) -> None:
    assert fresh.command("--only", "reports").returncode == 0
    name, login = f"{fresh.namespace}reports", fresh.login("reports")
    extra = {
        "resource": {"db": f"{fresh.namespace}reports", "collection": "commits"},
        "actions": ["remove"],
    }
    with fresh.as_administrator() as admin:
        admin.admin.command("grantPrivilegesToRole", name, privileges=[extra])
        admin.admin.command("updateUser", login.user, pwd="changed-by-hand")
    tried = fresh.command("--only", "reports", "--dry-run")
    assert f"- {fresh.namespace}reports.commits: remove" in tried.stdout
    assert "password of its file" in tried.stdout
    assert not _accepts(fresh, login)
    assert fresh.command("--only", "reports").returncode == 0
    assert _accepts(fresh, login)
    assert fresh.command("--only", "reports").stdout.strip() == _DONE


def test_a_password_of_ones_own_is_taken(fresh: Installation) -> None:
    mine = Login(f"{fresh.namespace}reports", "chosen by the ministry")
    passwords.write(fresh.secrets / "reports", mine)
    assert fresh.command("--only", "reports").returncode == 0
    assert fresh.login("reports") == mine
    assert _accepts(fresh, mine)


def test_a_rotation_leaves_the_former_user_until_it_is_retired(fresh: Installation) -> None:
    assert fresh.command("--only", "reports").returncode == 0
    former = fresh.login("reports")
    turned = fresh.command("--only", "reports", "--rotate")
    assert turned.returncode == 0, turned.stderr
    new = fresh.login("reports")
    assert new.user == f"{former.user}.2"
    assert _accepts(fresh, former)
    assert _accepts(fresh, new)
    assert fresh.command("--only", "reports").stdout.strip() == _DONE
    assert fresh.command("--only", "reports", "--retire").returncode == 0
    assert not _accepts(fresh, former)
    assert _accepts(fresh, new)
    assert fresh.command("--only", "reports", "--rotate").returncode == 0
    assert fresh.login("reports").user == former.user


def test_a_lost_password_is_named(fresh: Installation) -> None:
    assert fresh.command("--only", "reports").returncode == 0
    for file in (fresh.secrets / "reports").iterdir():
        file.unlink()
    refused = fresh.command("--only", "reports")
    assert refused.returncode == 1
    assert "--rotate" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_one_line_says_what_is_wrong(installation: Installation) -> None:
    login = installation.login("reports")
    for settings, says in (
        ({"PEYGIR_MONGODB_PASSWORD": "not-this-one"}, "does not accept the user or its password"),
        (
            {"PEYGIR_MONGODB_USERNAME": login.user, "PEYGIR_MONGODB_PASSWORD": login.password},
            "the right to rolesInfo in admin is missing",
        ),
    ):
        refused = installation.command(**settings)
        assert refused.returncode == 1
        assert says in refused.stderr
        assert refused.stderr.count("\n") == 1
    unknown = installation.command("--only", "board")
    assert unknown.stderr.startswith("there is no workload board; there are scheduler, reports")
