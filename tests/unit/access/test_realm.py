"""The realm that operators import: its roles are the services', and it is closed by default."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from deploy.local.layout import PROJECT
from shared.runtime.principals import Roles
from shared.runtime.settings import CommonSettings
from tools.access import realm as realms
from tools.access.__main__ import app

FILE: Final = PROJECT / "deploy" / "identity" / "peygir-realm.json"
REALM: Final = realms.realm()
CLIENTS: Final = {client["clientId"]: client for client in REALM["clients"]}
ROLES: Final = frozenset(role["name"] for role in REALM["roles"]["client"]["peygir"])


def _groups(groups: list[dict[str, Any]], path: str = "") -> Iterator[tuple[str, list[str]]]:
    for group in groups:
        name = f"{path}/{group['name']}"
        yield name, group["clientRoles"].get("peygir", [])
        yield from _groups(group["subGroups"], name)


def test_the_file_in_the_repository_is_up_to_date() -> None:
    printed = CliRunner().invoke(app, ["realm"])
    assert printed.exit_code == 0
    assert FILE.read_text(encoding="utf-8") == printed.stdout, (
        "run python -m tools.access realm > deploy/identity/peygir-realm.json"
    )


def test_its_roles_are_those_that_the_services_know() -> None:
    assert ROLES - {"integrator:example"} == Roles.of().every
    assert Roles.of().has("integrator:example")
    assert len(ROLES) == 5 + 9 + 31 + 8 + 1


def test_each_role_of_people_is_given_by_one_group_with_no_other() -> None:
    given = [role for _, roles in _groups(REALM["groups"]) for role in roles]
    assert sorted(given) == sorted(ROLES - {"system", "integrator:example"})
    assert all(len(roles) <= 1 for _, roles in _groups(REALM["groups"]))
    assert dict(_groups(REALM["groups"]))["/provinces/IR-09"] == ["province:IR-09"]


def test_other_deputies_get_roles_and_groups() -> None:
    printed = CliRunner().invoke(app, ["realm"], env={"PEYGIR_KNOWN_DEPUTIES": "civil,water"})
    other = json.loads(printed.stdout)
    roles = {role["name"] for role in other["roles"]["client"]["peygir"]}
    assert {role for role in roles if role.startswith("deputy:")} == {
        "deputy:civil",
        "deputy:water",
    }
    assert "/deputies/water" in dict(_groups(other["groups"]))


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client["clientId"])
def test_no_client_has_a_flow_that_gives_tokens_away(client: dict[str, Any]) -> None:
    assert not client["implicitFlowEnabled"]
    assert not client["directAccessGrantsEnabled"]
    assert client["fullScopeAllowed"] is client["publicClient"]  # only people have several roles
    assert not {"roles", "profile", "email"} & set(client["defaultClientScopes"])
    assert "secret" not in client
    assert not [address for address in client["redirectUris"] if "*" in address]
    assert "*" not in client["webOrigins"]
    if client["standardFlowEnabled"]:
        assert client["attributes"]["pkce.code.challenge.method"] == "S256"


def test_a_program_without_a_person_has_one_role_and_may_ask_for_no_other() -> None:
    accounts = {user["serviceAccountClientId"]: user for user in REALM["users"]}
    allowed = {each["client"]: each["roles"] for each in REALM["clientScopeMappings"]["peygir"]}
    with_accounts = {name for name, client in CLIENTS.items() if client["serviceAccountsEnabled"]}
    assert set(accounts) == with_accounts
    for name, account in accounts.items():
        assert account["clientRoles"]["peygir"] == allowed[name]
        assert len(allowed[name]) == 1
        assert not CLIENTS[name]["publicClient"]


def test_people_and_passwords_are_not_in_it() -> None:
    assert all(user["username"].startswith("service-account-") for user in REALM["users"])
    assert "credentials" not in realms.as_text(REALM)


def test_its_tokens_have_the_claims_that_the_services_look_for_by_default() -> None:
    fields = CommonSettings.model_fields
    for name in set(CLIENTS) - {"peygir"}:
        claims = {
            mapper["config"].get("claim.name") or mapper["config"]["included.client.audience"]
            for mapper in CLIENTS[name]["protocolMappers"]
        }
        assert claims == {
            "peygir",
            fields["oidc_roles_claim"].default,
            fields["oidc_user_claim"].default,
        }


def test_tokens_are_short_lived_and_guessing_is_slowed_down() -> None:
    assert REALM["accessTokenLifespan"] <= 300
    assert REALM["revokeRefreshToken"]
    assert REALM["refreshTokenMaxReuse"] == 0
    assert REALM["bruteForceProtected"]
    assert REALM["sslRequired"] == "all"
    assert not REALM["registrationAllowed"]
    assert not REALM["editUsernameAllowed"]
