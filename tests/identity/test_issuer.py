"""The tests' own issuer does what the tests believe of it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import trustme
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import KeySet

from tests.identity.issuer import DISCOVERY, KEYS, Answer, Issuer, SigningKey, compact

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


def _published(issuer: Issuer) -> KeySet:
    """The keys as one who trusts the issuer finds them."""
    found = httpx.get(issuer.url + DISCOVERY).json()
    assert found["issuer"] == issuer.url
    return KeySet.import_key_set(httpx.get(found["jwks_uri"]).json())


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_is_verified_by_the_published_keys(algorithm: str) -> None:
    with Issuer(SigningKey.new(algorithm)) as issuer:
        token = issuer.token("g.razavi", ["province:IR-09"])
        decoded = jwt.decode(token, _published(issuer), [algorithm])
    assert decoded.header["kid"] == issuer.signing.kid
    assert decoded.claims["iss"] == issuer.url
    assert decoded.claims["preferred_username"] == "g.razavi"
    assert decoded.claims["roles"] == ["province:IR-09"]


def test_no_private_part_is_published(issuer: Issuer) -> None:
    issuer.published += [SigningKey.new(algorithm) for algorithm in ("RS256", "EdDSA")]
    keys = httpx.get(issuer.url + KEYS).json()["keys"]
    assert len(keys) == 3
    assert not {name for key in keys for name in key} & {"d", "p", "q", "dp", "dq", "qi", "k"}


def test_a_lifetime_is_counted_from_the_given_instant(issuer: Issuer) -> None:
    now = datetime(2026, 11, 24, 10, tzinfo=UTC)
    claims = issuer.claims(lifetime=timedelta(minutes=1), now=now, sub=None, locale="fa")
    assert claims["exp"] - claims["iat"] == 60
    assert datetime.fromtimestamp(claims["iat"], UTC) == now
    assert "sub" not in claims
    assert claims["locale"] == "fa"


def test_after_a_rotation_both_keys_are_published_or_only_the_new_one(issuer: Issuer) -> None:
    former = issuer.token()
    issuer.rotate()
    jwt.decode(former, _published(issuer), ["ES256"])
    jwt.decode(issuer.token(), _published(issuer), ["ES256"])
    issuer.rotate(keep_former=False)
    with pytest.raises((JoseError, ValueError)):
        jwt.decode(former, _published(issuer), ["ES256"])


def test_a_key_that_is_not_published_signs_what_nobody_believes(issuer: Issuer) -> None:
    stranger = SigningKey.new("ES256", kid=issuer.signing.kid)
    with pytest.raises(BadSignatureError):
        jwt.decode(issuer.sign(issuer.claims(), stranger), _published(issuer), ["ES256"])


def test_it_can_go_away_and_come_back_at_the_same_address(issuer: Issuer) -> None:
    there = issuer.url
    issuer.go_away()
    with pytest.raises(httpx.ConnectError):
        httpx.get(there + KEYS)
    issuer.come_back()
    assert issuer.url == there
    assert httpx.get(there + KEYS).status_code == 200


def test_it_can_be_slow_and_answers_once_it_no_longer_is(issuer: Issuer) -> None:
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.get(issuer.url + KEYS, timeout=30).status_code)
    )
    with issuer.slow():
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(issuer.url + KEYS, timeout=0.2)
        asking.start()
    asking.join()
    assert answers == [200]
    assert issuer.asked_for(KEYS) == 2


def test_it_can_go_away_while_it_is_slow(issuer: Issuer) -> None:
    failures: list[Exception] = []

    def ask() -> None:
        try:
            httpx.get(issuer.url + KEYS, timeout=30)
        except httpx.HTTPError as error:
            failures.append(error)

    with issuer.slow():
        asking = threading.Thread(target=ask)
        asking.start()
        while not issuer.asked_for(KEYS):
            asking.join(0.01)
        issuer.go_away()
        asking.join()
    assert [type(failure) for failure in failures] == [httpx.RemoteProtocolError]


def test_a_test_decides_what_it_answers(issuer: Issuer) -> None:
    issuer.answers[KEYS] = Answer(b"no keys today", 500)
    answer = httpx.get(issuer.url + KEYS)
    assert (answer.status_code, answer.text) == (500, "no keys today")
    assert httpx.get(issuer.url + DISCOVERY).status_code == 200
    assert issuer.requests == [KEYS, DISCOVERY]


def test_it_serves_https() -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with Issuer(tls=tls) as issuer:
        assert issuer.url.startswith("https://127.0.0.1:")
        assert httpx.get(issuer.url + KEYS, verify=trusting).json()["keys"]
        with pytest.raises(httpx.ConnectError):
            httpx.get(issuer.url + KEYS)


def test_a_forged_token_has_the_shape_of_one(issuer: Issuer) -> None:
    header, claims, signature = compact({"alg": "none"}, issuer.claims()).split(".")
    assert header == "eyJhbGciOiAibm9uZSJ9"
    assert claims
    assert signature == ""
