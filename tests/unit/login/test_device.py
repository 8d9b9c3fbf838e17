"""Logging in by a code that a person confirms elsewhere (RFC 8628)."""

from __future__ import annotations

import pytest

from tests.identity.issuer import DISCOVERY, Answer
from tests.identity.provider import CODE_SECONDS, DEVICE, INTERVAL, LIFETIME, TOKEN, LoginProvider
from tests.unit.login.conftest import Clock
from tools.login.device import wait_for_tokens
from tools.login.errors import (
    CodeExpired,
    Denied,
    LoginError,
    ProviderUnavailable,
    Refused,
    WrongProvider,
)
from tools.login.provider import DeviceCode, Provider, Tokens

PENDING = Answer.json({"error": "authorization_pending"}, 400)
SLOW_DOWN = Answer.json({"error": "slow_down"}, 400)


def _wait(provider: Provider, code: DeviceCode, clock: Clock) -> Tokens:
    return wait_for_tokens(provider, code, clock, clock.wait)


def test_who_agrees_is_logged_in(there: LoginProvider, provider: Provider, clock: Clock) -> None:
    code = provider.start_device_login("openid")
    assert code.shown == "BDWP-HQPK"
    assert code.full_address is not None
    assert code.shown in code.full_address
    there.agree("g.razavi")
    tokens = _wait(provider, code, clock)
    assert clock.passed == INTERVAL
    assert tokens.expires_at == clock.now() + LIFETIME
    assert tokens.refresh is not None
    assert there.sessions == 1


def test_it_asks_until_the_person_decides(
    there: LoginProvider, provider: Provider, clock: Clock
) -> None:
    code = provider.start_device_login("openid")
    there.answers_to_forms = [PENDING] * 3
    there.agree("g.razavi")
    _wait(provider, code, clock)
    assert there.asked_for(TOKEN) == 4
    assert clock.passed == 4 * INTERVAL


def test_slow_down_makes_every_later_pause_five_seconds_longer(
    there: LoginProvider, provider: Provider, clock: Clock
) -> None:
    code = provider.start_device_login("openid")
    there.answers_to_forms = [SLOW_DOWN, SLOW_DOWN, PENDING]
    there.agree("g.razavi")
    _wait(provider, code, clock)
    assert clock.passed == 5 + 10 + 15 + 15


def test_a_provider_that_fails_meanwhile_is_asked_again_less_often(
    there: LoginProvider, provider: Provider, clock: Clock
) -> None:
    code = provider.start_device_login("openid")
    there.answers_to_forms = [Answer(b"gateway", 502), Answer(b"", 503)]
    there.agree("g.razavi")
    _wait(provider, code, clock)
    assert clock.passed == 5 + 10 + 20


def test_who_says_no_is_not_logged_in(
    there: LoginProvider, provider: Provider, clock: Clock
) -> None:
    code = provider.start_device_login("openid")
    there.refuse()
    with pytest.raises(Denied, match=r"run `python -m tools\.login` to try again"):
        _wait(provider, code, clock)


def test_a_code_that_nobody_confirms_expires(
    there: LoginProvider, provider: Provider, clock: Clock
) -> None:
    code = provider.start_device_login("openid")
    with pytest.raises(CodeExpired, match=r"run `python -m tools\.login` for a new one"):
        _wait(provider, code, clock)
    assert clock.passed == CODE_SECONDS
    assert there.asked_for(TOKEN) == CODE_SECONDS / INTERVAL


def test_the_provider_may_say_that_the_code_has_expired(
    there: LoginProvider, provider: Provider, clock: Clock
) -> None:
    code = provider.start_device_login("openid")
    there.answers_to_forms = [Answer.json({"error": "expired_token"}, 400)]
    with pytest.raises(CodeExpired):
        _wait(provider, code, clock)


def test_a_provider_without_device_logins_is_named(
    there: LoginProvider, provider: Provider
) -> None:
    there.lacks = {"device_authorization_endpoint"}
    with pytest.raises(WrongProvider, match=r"RFC 8628.*PEYGIR_TOKEN"):
        provider.start_device_login("openid")


def test_a_client_that_may_not_log_in_so_is_refused(
    there: LoginProvider, provider: Provider
) -> None:
    there.secrets["peygir-tools"] = "it is confidential"
    with pytest.raises(Refused, match="PEYGIR_OIDC_CLIENT_SECRET"):
        provider.start_device_login("openid")


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(b"not found", 404), WrongProvider, "PEYGIR_OIDC_ISSUER"),
        (Answer(b"<html>"), WrongProvider, "JSON"),
        (Answer(b"[]"), WrongProvider, "JSON"),
        (Answer.json({"issuer": "https://elsewhere.example"}), WrongProvider, "its issuer is"),
        (Answer.json({}), WrongProvider, "its issuer is None"),
    ],
)
def test_what_is_no_provider_is_named(
    there: LoginProvider,
    provider: Provider,
    answer: Answer,
    error: type[LoginError],
    words: str,
) -> None:
    there.answers[DISCOVERY] = answer
    with pytest.raises(error, match=words):
        provider.endpoints()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"token_endpoint": "http://id.example.org/token"}, "it has to be https://"),
        ({"token_endpoint": None}, "names no token_endpoint"),
        ({"device_authorization_endpoint": "http://id.example.org/d"}, "it has to be https://"),
    ],
)
def test_secrets_never_go_to_an_address_in_plain_text(
    there: LoginProvider, provider: Provider, changed: dict[str, str], words: str
) -> None:
    there.answers[DISCOVERY] = Answer.json({**there.discovery(), **changed})
    with pytest.raises(WrongProvider, match=words):
        provider.endpoints()


def test_a_provider_that_is_away_is_named(there: LoginProvider, provider: Provider) -> None:
    there.go_away()
    with pytest.raises(ProviderUnavailable, match="PEYGIR_OIDC_CA_FILE"):
        provider.endpoints()


def test_an_answer_without_a_code_is_no_answer(there: LoginProvider, provider: Provider) -> None:
    there.answers_to_forms = [Answer.json({"user_code": "BDWP"})]
    with pytest.raises(WrongProvider, match="RFC 8628"):
        provider.start_device_login("openid")
    assert there.asked_for(DEVICE) == 1
