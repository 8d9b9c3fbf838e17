"""Tokens over HTTP: who gets in, and every way in which a token is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.runtime import problems
from shared.runtime.access import Action
from shared.runtime.http.access import may
from shared.runtime.http.rates import Rates
from shared.runtime.identity import Caller
from shared.runtime.identity.bearer import BearerIdentity
from shared.runtime.identity.keys import ProviderKeys
from shared.runtime.identity.tokens import LONGEST, TokenPolicy, Tokens
from shared.runtime.principals import Principal, Roles
from tests.identity.issuer import AUDIENCE, DISCOVERY, KEYS, Answer, Issuer, SigningKey, compact

START = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


class Clock:
    """A machine clock that tests move."""

    def __init__(self) -> None:
        self.instant = START

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return (self.instant - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)

    def go_on(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


@dataclass
class House:
    """A service that asks for tokens of one issuer."""

    issuer: Issuer
    clock: Clock
    keys: ProviderKeys
    http: httpx.AsyncClient

    async def ask(self, token: str | None, path: str = "/v1/me", **headers: str) -> httpx.Response:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return await self.http.get(path, headers=headers)

    async def refused(self, token: str) -> str:
        """Send a token; return why it is refused."""
        answer = await self.ask(token)
        assert answer.status_code == 401, answer.text
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('Bearer realm="peygir", error="invalid_token"')
        assert token not in answer.text
        return str(answer.json()["detail"])


def app_of(tokens: Tokens) -> FastAPI:
    app = FastAPI()
    app.state.authenticator = BearerIdentity(tokens, Roles.of)
    app.state.rates = Rates()
    problems.install(app)

    @app.get("/v1/me")
    async def me(caller: Caller) -> dict[str, Any]:
        return {"id": caller.id, "roles": sorted(caller.roles)}

    @app.get("/v1/authority")
    async def authority(caller: Caller) -> dict[str, Any]:
        assert caller.authority is not None
        return asdict(caller.authority)

    @app.get("/v1/pauses")
    async def pauses(_: Annotated[Principal, may(Action.READ_OPERATIONS)]) -> dict[str, Any]:
        return {}

    return app


@pytest.fixture(scope="module", params=["ES256", "RS256", "PS256", "EdDSA"])
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def issuer(clock: Clock) -> Iterator[Issuer]:
    with Issuer(clock=clock) as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def house(issuer: Issuer, clock: Clock) -> AsyncIterator[House]:
    keys = ProviderKeys(issuer.url, clock)
    app = app_of(Tokens(TokenPolicy(issuer.url, AUDIENCE), keys, clock))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://peygir") as http:
        yield House(issuer, clock, keys, http)


async def test_a_token_says_who_asks_and_in_which_roles(house: House, algorithm: str) -> None:
    house.issuer.published = [SigningKey.new(algorithm)]
    house.issuer.signing = house.issuer.published[0]
    token = house.issuer.token("g.razavi", ["province:IR-09", "offline_access", "deputy:nobody"])
    answer = await house.ask(token)
    assert answer.json() == {"id": "g.razavi", "roles": ["province:IR-09"]}


async def test_what_is_audited_names_the_token_and_holds_nothing_of_it(house: House) -> None:
    token = house.issuer.token("g.razavi", ["province:IR-09"], jti="7f3a")
    said = (await house.ask(token, "/v1/authority")).json()
    assert said == {
        "token_id": "7f3a",
        "client": "peygir-tools",
        "address": "127.0.0.1",
        "roles": ["province:IR-09"],
    }
    nameless = house.issuer.token("g.razavi", jti=None, azp=None)
    said = (await house.ask(nameless, "/v1/authority")).json()
    assert said["token_id"] == f"sha256:{hashlib.sha256(nameless.encode()).hexdigest()}"
    assert said["client"] is None


async def test_without_a_token_the_answer_says_what_is_needed(house: House) -> None:
    answer = await house.ask(None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="peygir"'
    assert answer.json()["type"] == "urn:peygir:problem:unauthorized"
    assert "Authorization: Bearer" in answer.json()["detail"]
    assert house.issuer.requests == [], "nothing is asked of the provider for that"


async def test_the_headers_of_development_say_nothing(house: House) -> None:
    headers = {"X-Peygir-User": "m.office", "X-Peygir-Roles": "minister-office"}
    assert (await house.ask(None, **headers)).status_code == 401
    answer = await house.ask(house.issuer.token("g.razavi", ["province:IR-09"]), **headers)
    assert answer.json() == {"id": "g.razavi", "roles": ["province:IR-09"]}


async def test_a_missing_right_is_403(house: House) -> None:
    token = house.issuer.token("g.razavi", ["province:IR-09"])
    answer = await house.ask(token, "/v1/pauses")
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:peygir:problem:not-allowed")
    assert "operations.read" in answer.json()["detail"]
    assert (await house.ask(house.issuer.token("o.rezaei", ["operator"]), "/v1/pauses")).is_success


@pytest.mark.parametrize(
    ("authorization", "why"),
    [
        ("Basic dXNlcjpwYXNz", "one bearer token"),
        ("Bearer", "one bearer token"),
        ("Bearer   ", "one bearer token"),
        ("Bearer a b", "no JSON Web Token"),
        ("Bearer nonsense", "no JSON Web Token"),
        ("Bearer a.b.c", "no JSON Web Token"),
        ("Bearer ....", "no JSON Web Token"),
        ("Bearer " + "a" * (LONGEST + 1), "longer than"),
    ],
)
async def test_what_is_no_token(house: House, authorization: str, why: str) -> None:
    answer = await house.http.get("/v1/me", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert why in answer.json()["detail"]
    assert house.issuer.requests == []


async def test_two_authorizations_are_none(house: House) -> None:
    token = ("Authorization", f"Bearer {house.issuer.token()}")
    assert (await house.http.get("/v1/me", headers=[token, token])).status_code == 401


def _without_signature(issuer: Issuer) -> str:
    return compact({"alg": "none", "typ": "JWT"}, issuer.claims(roles=["operator"]))


def _signed_with_the_public_key(issuer: Issuer) -> str:
    """The public key taken for a shared secret: the oldest confusion of algorithms."""
    secret = json.dumps(issuer.signing.public).encode()
    header = {"alg": "HS256", "typ": "JWT", "kid": issuer.signing.kid}
    signed = compact(header, issuer.claims(roles=["operator"])).rsplit(".", 1)[0]
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _with_its_own_key(issuer: Issuer) -> str:
    own = SigningKey.new()
    return own.sign(issuer.claims(), {"jwk": own.public, "kid": issuer.signing.kid})


def _with_other_claims(issuer: Issuer) -> str:
    header, _, signature = issuer.token("g.razavi").split(".")
    other = compact({}, issuer.claims("m.office", ["minister-office"])).split(".")[1]
    return f"{header}.{other}.{signature}"


def _with(**others: Any) -> Callable[[Issuer], str]:
    """A token in which some claims are others."""
    return lambda issuer: issuer.sign({**issuer.claims(), **others})


def _at(**changes: int) -> Callable[[Issuer], str]:
    """A token whose times are so many seconds from now."""
    return _with(**{name: int(START.timestamp()) + by for name, by in changes.items()})


REFUSED: Mapping[str, tuple[Callable[[Issuer], str], str]] = {
    "alg none": (_without_signature, "algorithm that is not accepted"),
    "key confusion": (_signed_with_the_public_key, "algorithm that is not accepted"),
    "its own key in the header": (_with_its_own_key, "not signed by the provider"),
    "other claims": (_with_other_claims, "not signed by the provider"),
    "no signature": (lambda i: i.token().rsplit(".", 1)[0] + ".", "not signed by the provider"),
    "unknown key": (lambda i: i.sign(i.claims(), SigningKey.new()), "key that the provider does"),
    "another issuer": (lambda i: i.token(iss=i.url + "/"), "another issuer"),
    "no issuer": (lambda i: i.sign({**i.claims(), "iss": ""}), "another issuer"),
    "another audience": (lambda i: i.token(aud="letters"), "another audience"),
    "audiences without ours": (lambda i: i.token(aud=["a", "peygir2"]), "another audience"),
    "expired": (_at(exp=-31), "expired"),
    "no expiry": (lambda i: i.token(exp=None), "lacks the claim exp"),
    "expiry as text": (lambda i: i.token(exp="tomorrow"), "claim exp"),
    "not yet valid": (_at(nbf=31), "not valid yet"),
    "issued in the future": (_at(iat=31), "issued in the future"),
    "refresh token": (lambda i: i.sign(i.claims(), header={"typ": "refresh+jwt"}), "no access"),
    "unknown critical header": (
        lambda i: compact({"alg": "ES256", "kid": i.signing.kid, "crit": ["x"]}, i.claims()),
        "critical header",
    ),
    "nobody": (lambda i: i.token(preferred_username=None), "names nobody"),
    "a name that no header holds": (lambda i: i.token("ali\r\nX-Peygir-Roles: a"), "names nobody"),
    "a name that is no text": (_with(preferred_username=["a"]), "names nobody"),
    "nested roles": (_with(roles=[["operator"]]), "no list of roles"),
    "roles by name": (_with(roles={"operator": True}), "no list of roles"),
    "10 kB of claims": (lambda i: i.token(padding="x" * 10_000), "longer than"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_token_is_refused(house: House, case: str) -> None:
    make, why = REFUSED[case]
    assert why in await house.refused(make(house.issuer))
    assert (await house.ask(house.issuer.token())).is_success, "a good one is not refused"


@pytest.mark.parametrize("times", [{"exp": -29}, {"nbf": 29}, {"iat": 29}])
async def test_clocks_may_differ_by_half_a_minute(house: House, times: dict[str, int]) -> None:
    assert (await house.ask(_at(**times)(house.issuer))).is_success


async def test_roles_may_be_nested_claims_or_one_text(house: House) -> None:
    policy = TokenPolicy(house.issuer.url, AUDIENCE, roles_claim="realm_access.roles")
    app = app_of(Tokens(policy, house.keys, house.clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p") as http:
        for roles in (
            {"realm_access": {"roles": ["operator"]}},
            {"realm_access.roles": "operator"},
        ):
            sent = {"Authorization": f"Bearer {house.issuer.token(**roles)}"}
            assert (await http.get("/v1/me", headers=sent)).json()["roles"] == ["operator"]


@settings(max_examples=300)
@given(st.text(max_size=300), st.text(max_size=40), st.text(max_size=300))
async def test_whatever_is_sent_never_gets_in(header: str, claims: str, signature: str) -> None:
    keys = ProviderKeys("http://127.0.0.1:9/none", Clock())
    app = app_of(Tokens(TokenPolicy("http://127.0.0.1:9/none", AUDIENCE), keys, Clock()))
    token = f"Bearer {header}.{claims}.{signature}".encode()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p") as http:
        answer = await http.get("/v1/me", headers=[(b"Authorization", token)])
    assert answer.status_code == 401


# -- keys ---------------------------------------------------------------------------------------


async def test_keys_are_fetched_once(house: House) -> None:
    for _ in range(3):
        assert (await house.ask(house.issuer.token())).is_success
    assert house.issuer.requests == [DISCOVERY, KEYS]


async def test_a_new_key_is_asked_for_and_the_former_one_stays(house: House) -> None:
    former = house.issuer.token()
    assert (await house.ask(former)).is_success
    house.issuer.rotate()
    house.clock.go_on(11)
    assert (await house.ask(house.issuer.token())).is_success
    assert (await house.ask(former)).is_success
    assert house.issuer.asked_for(KEYS) == 2


async def test_unknown_keys_are_asked_about_at_a_limited_rate(house: House) -> None:
    assert (await house.ask(house.issuer.token())).is_success
    for _ in range(21):
        await house.refused(house.issuer.sign(house.issuer.claims(), SigningKey.new()))
        house.clock.go_on(1)
    assert house.issuer.asked_for(KEYS) == 1 + 2


async def test_a_withdrawn_key_is_refused_once_the_keys_are_fresh(house: House) -> None:
    token = house.issuer.token(lifetime=timedelta(hours=1))
    assert (await house.ask(token)).is_success
    house.issuer.rotate(keep_former=False)
    house.clock.go_on(11)
    assert (await house.ask(house.issuer.token())).is_success, "the new one brings the keys along"
    assert "key that the provider does not have" in await house.refused(token)


async def test_known_keys_serve_on_while_the_provider_is_away(house: House) -> None:
    assert (await house.ask(house.issuer.token())).is_success
    house.issuer.go_away()
    house.clock.go_on(3_600)
    assert (await house.ask(house.issuer.token())).is_success
    await house.refused(house.issuer.sign(house.issuer.claims(), SigningKey.new()))
    assert (await house.ask(house.issuer.token())).is_success, "the question failed; they stay"


async def test_the_provider_may_come_after_the_service(house: House) -> None:
    house.issuer.go_away()
    token = house.issuer.token(lifetime=timedelta(hours=1))
    assert "key that the provider does not have" in await house.refused(token)
    house.issuer.come_back()
    house.clock.go_on(11)
    assert (await house.ask(token)).is_success


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (DISCOVERY, Answer(b"", 503)),
        (DISCOVERY, Answer(b"<html>")),
        (DISCOVERY, Answer.json([])),
        (DISCOVERY, Answer.json({"issuer": "https://elsewhere", "jwks_uri": "x"})),
        (DISCOVERY, Answer(b"", 302, {"Location": "http://127.0.0.1:1/"})),
        (KEYS, Answer.json({})),
        (KEYS, Answer.json({"keys": "none"})),
        (KEYS, Answer.json({"keys": []})),
        (KEYS, Answer.json({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}, 1]})),
        (KEYS, Answer(b"[" * 300_000)),
    ],
)
async def test_a_provider_that_answers_nonsense_takes_no_key_away(
    house: House, path: str, answer: Answer
) -> None:
    assert (await house.ask(house.issuer.token())).is_success
    house.issuer.answers[path] = answer
    house.clock.go_on(11)
    await house.refused(house.issuer.sign(house.issuer.claims(), SigningKey.new()))
    assert (await house.ask(house.issuer.token())).is_success
