"""The realm that operators import, on a real Keycloak: people, programs, keys."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.errors import JoseError

from deploy.local.keycloak import Keycloak
from deploy.local.keycloak_admin import KeycloakAdmin
from shared.runtime.clocks import SystemMachineClock
from tests.identity.browser import Browser, Lost, challenge
from tests.identity.logins import (
    People,
    decoded,
    group_of,
    person_tokens,
    program_token,
    published_keys,
)
from tools.access import realm as realms
from tools.login.errors import Denied, Refused, SessionOver
from tools.login.provider import Provider, StillPending, TooFast
from tools.login.store import TokenStore

pytestmark = pytest.mark.identity

CLOCK = SystemMachineClock()


def _tools(keycloak: Keycloak, http: httpx.Client) -> Provider:
    return Provider(http, keycloak.issuer, realms.TOOLS, CLOCK)


def test_the_file_is_imported_with_every_role_and_client(admin: KeycloakAdmin) -> None:
    file = realms.realm()
    roles = {role["name"] for role in file["roles"]["client"]["peygir"]}
    assert admin.roles() == roles
    assert len({group_of(role) for role in roles} - {None}) == len(roles) - 2
    there = admin.clients()
    for client in file["clients"]:
        kept = there[client["clientId"]]
        for name in ("publicClient", "bearerOnly", "standardFlowEnabled", "fullScopeAllowed"):
            assert kept[name] == client[name], (client["clientId"], name)
        assert not kept["implicitFlowEnabled"]
        assert not kept["directAccessGrantsEnabled"]
        assert set(kept["defaultClientScopes"]) == {"basic", "acr"}
        assert kept["optionalClientScopes"] == []
    kept_realm = admin.realm()
    for name in ("sslRequired", "bruteForceProtected", "revokeRefreshToken", "passwordPolicy"):
        assert kept_realm[name] == file[name]
    assert there[realms.BOARD]["redirectUris"] == ["http://127.0.0.1:8100/signed-in"]


def test_a_person_logs_in_by_device_and_the_token_says_who_they_are(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    person = admin.add_person("g.razavi", ["/provinces/IR-09", "/advisers/social"])
    tokens = person_tokens(keycloak, http, person)
    token = decoded(keycloak, http, tokens.access)
    assert token.header["alg"] == "RS256"
    assert token.claims["iss"] == keycloak.issuer
    assert token.claims["aud"] == realms.AUDIENCE
    assert token.claims["preferred_username"] == "g.razavi"
    assert sorted(token.claims["roles"]) == ["adviser:social", "province:IR-09"]
    assert token.claims["azp"] == realms.TOOLS
    assert token.claims["exp"] - token.claims["iat"] == 300
    assert token.claims["sub"]
    assert token.claims["jti"]
    assert not {"email", "name", "given_name", "family_name", "realm_access"} & set(token.claims)
    assert len(tokens.access) < 2_000


def test_every_role_can_be_had_alone(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    people = People(keycloak, admin, http)
    for role in ("system", "coordination", "deputy:crisis", "province:IR-00", "adviser:economic"):
        assert decoded(keycloak, http, people.token(role)).claims["roles"] == [role]


def test_a_role_that_is_added_later_is_in_tokens_of_people(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    admin.add_role("deputy:water", "deputies", "water")
    tokens = person_tokens(keycloak, http, admin.add_person("water.one", ["/deputies/water"]))
    assert decoded(keycloak, http, tokens.access).claims["roles"] == ["deputy:water"]


def test_a_person_in_no_group_gets_a_token_without_roles(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    tokens = person_tokens(keycloak, http, admin.add_person("nobody"))
    assert decoded(keycloak, http, tokens.access).claims.get("roles", []) == []


def test_a_new_person_sets_up_a_second_factor_first(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client, trust: ssl.SSLContext
) -> None:
    person = admin.add_person("new", ["/auditor"], second_factor=True)
    provider = _tools(keycloak, http)
    code = provider.start_device_login("openid")
    assert code.full_address is not None
    with Browser(person, trust) as browser:
        browser.confirm(code.full_address)
    assert browser.pages == ["password", "second factor", "consent"]
    claims = decoded(keycloak, http, provider.device_tokens(code).access).claims
    assert claims["roles"] == ["auditor"]


def test_asking_before_anybody_decided_is_answered_as_the_tools_expect(
    keycloak: Keycloak, http: httpx.Client
) -> None:
    provider = _tools(keycloak, http)
    code = provider.start_device_login("openid")
    assert code.interval == 5
    assert code.expires_in == 600
    with pytest.raises(StillPending):
        provider.device_tokens(code)
    with pytest.raises(TooFast):
        provider.device_tokens(code)


def test_a_person_may_say_no(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client, trust: ssl.SSLContext
) -> None:
    person = admin.add_person("unwilling", ["/operator"])
    provider = _tools(keycloak, http)
    code = provider.start_device_login("openid")
    assert code.full_address is not None
    with Browser(person, trust) as browser:
        browser.confirm(code.full_address, agree=False)
    with pytest.raises(Denied):
        provider.device_tokens(code)


@pytest.mark.parametrize(
    ("client", "roles"),
    [(realms.OPERATIONS, ["operator"]), (realms.EXAMPLE, ["integrator:example"])],
)
def test_a_program_has_its_one_role_by_a_secret_that_the_import_made(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client, client: str, roles: list[str]
) -> None:
    claims = decoded(keycloak, http, program_token(keycloak, http, admin, client)).claims
    assert claims["roles"] == roles
    assert claims["aud"] == realms.AUDIENCE
    assert claims["preferred_username"] == f"service-account-{client}"
    assert len(admin.client_secret(client)) >= 32
    with pytest.raises(Refused):
        Provider(http, keycloak.issuer, client, CLOCK, "guessed").client_tokens("openid")


def test_a_secret_that_was_renewed_is_the_only_one(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    former = admin.client_secret(realms.EXAMPLE)
    renewed = admin.renew_client_secret(realms.EXAMPLE)
    with pytest.raises(Refused):
        Provider(http, keycloak.issuer, realms.EXAMPLE, CLOCK, former).client_tokens("openid")
    Provider(http, keycloak.issuer, realms.EXAMPLE, CLOCK, renewed).client_tokens("openid")


def test_nobody_gets_a_token_for_a_password(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    person = admin.add_person("typist", ["/operator"])
    form = {"username": person.name, "password": person.password, "grant_type": "password"}
    for client in (realms.TOOLS, realms.BOARD, "peygir"):
        answer = http.post(
            f"{keycloak.issuer}/protocol/openid-connect/token", data={**form, "client_id": client}
        )
        assert answer.status_code in {400, 401}, client
        assert "access_token" not in answer.json()


def test_a_refresh_token_is_good_for_one_use(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    person = admin.add_person("refreshing", ["/operator"])
    first = person_tokens(keycloak, http, person)
    provider = _tools(keycloak, http)
    assert first.refresh is not None
    second = provider.refreshed(first.refresh)
    assert second.refresh not in {None, first.refresh}
    with pytest.raises(SessionOver):
        provider.refreshed(first.refresh)
    assert second.refresh is not None
    with pytest.raises(SessionOver):  # whoever stole it, the session is over for both
        provider.refreshed(second.refresh)


def test_a_new_role_is_in_the_next_token(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    person = admin.add_person("promoted", ["/deputies/civil"])
    tokens = person_tokens(keycloak, http, person)
    admin.join("promoted", "/coordination")
    assert tokens.refresh is not None
    renewed = _tools(keycloak, http).refreshed(tokens.refresh)
    claims = decoded(keycloak, http, renewed.access).claims
    assert sorted(claims["roles"]) == ["coordination", "deputy:civil"]


def test_who_is_disabled_gets_no_token_any_more(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    person = admin.add_person("leaver", ["/operator"])
    tokens = person_tokens(keycloak, http, person)
    admin.set_enabled("leaver", enabled=False)
    assert tokens.refresh is not None
    with pytest.raises(SessionOver):
        _tools(keycloak, http).refreshed(tokens.refresh)
    with pytest.raises((Lost, StillPending)):
        person_tokens(keycloak, http, person)


def test_logging_out_ends_the_session(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    tokens = person_tokens(keycloak, http, admin.add_person("done", ["/operator"]))
    provider = _tools(keycloak, http)
    assert tokens.refresh is not None
    assert provider.revoke(tokens.refresh)
    with pytest.raises(SessionOver):
        provider.refreshed(tokens.refresh)


def test_after_a_rotation_both_keys_are_published_until_the_former_is_withdrawn(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    former = program_token(keycloak, http, admin, realms.OPERATIONS)
    old_key = decoded(keycloak, http, former).header["kid"]
    new_key = admin.rotate_key()
    current = program_token(keycloak, http, admin, realms.OPERATIONS)
    assert decoded(keycloak, http, current).header["kid"] == new_key != old_key
    assert decoded(keycloak, http, former).claims["azp"] == realms.OPERATIONS
    admin.withdraw_key(old_key)
    assert old_key not in {key.kid for key in published_keys(keycloak, http)}
    with pytest.raises((JoseError, ValueError)):
        decoded(keycloak, http, former)
    decoded(keycloak, http, current)


def test_the_board_signs_people_in_only_with_pkce_and_at_its_own_address(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client
) -> None:
    address = f"{keycloak.issuer}/protocol/openid-connect/auth"
    query = {
        "client_id": realms.BOARD,
        "response_type": "code",
        "scope": "openid",
        "redirect_uri": "http://127.0.0.1:8100/signed-in",
        "code_challenge": challenge("v" * 43),
        "code_challenge_method": "S256",
    }
    assert http.get(address, params=query).status_code == 200
    elsewhere = {**query, "redirect_uri": "http://127.0.0.1:8100/signed-in/../x"}
    assert http.get(address, params=elsewhere).status_code == 400
    without = {name: value for name, value in query.items() if "challenge" not in name}
    refused = http.get(address, params=without)
    assert refused.status_code == 302
    [error] = parse_qs(urlsplit(refused.headers["Location"]).query)["error"]
    assert error == "invalid_request"
    implicit = http.get(address, params={**query, "response_type": "token"})
    assert "access_token" not in implicit.headers.get("Location", "")
    assert implicit.status_code in {302, 400}


def test_guessing_is_slowed_down(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client, trust: ssl.SSLContext
) -> None:
    person = admin.add_person("guessed", ["/operator"])
    wrong = type(person)(person.name, "not the password")
    for _ in range(6):
        code = _tools(keycloak, http).start_device_login("openid")
        assert code.full_address is not None
        with Browser(wrong, trust) as browser, pytest.raises(Lost):
            browser.confirm(code.full_address)
    with pytest.raises(Lost):  # the right one is no longer taken either, for a while
        person_tokens(keycloak, http, person)


def test_what_the_tools_keep_is_renewed_at_the_provider(
    keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client, tmp_path: Path
) -> None:
    store = TokenStore(tmp_path / "token.json", keycloak.issuer, realms.TOOLS)
    store.write(person_tokens(keycloak, http, admin.add_person("keeper", ["/operator"])))
    kept = store.read()
    assert kept is not None
    assert kept.refresh is not None
    renewed = _tools(keycloak, http).refreshed(kept.refresh)
    assert renewed.access != kept.access
    assert decoded(keycloak, http, renewed.access).claims["preferred_username"] == "keeper"
