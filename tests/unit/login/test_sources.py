"""Which token a tool sends, and when it asks for another."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.identity.issuer import Answer
from tests.identity.provider import LIFETIME, REVOKE, TOKEN, LoginProvider
from tests.unit.login.conftest import Clock
from tools.login.errors import (
    BadTokenFile,
    NotConfigured,
    NotLoggedIn,
    ProviderUnavailable,
    Refused,
    SessionOver,
    WrongProvider,
)
from tools.login.provider import DeviceCode, Provider, Tokens
from tools.login.settings import LoginSettings
from tools.login.sources import GivenToken, PersonToken, ProgramToken, source_of
from tools.login.store import TokenStore, store_of


@pytest.fixture
def person(provider: Provider, store: TokenStore, clock: Clock) -> PersonToken:
    return PersonToken(provider, store, clock)


def _log_in(there: LoginProvider, provider: Provider, store: TokenStore, clock: Clock) -> Tokens:
    code = provider.start_device_login("openid")
    there.agree("g.razavi")
    clock.wait(code.interval)
    tokens = provider.device_tokens(code)
    store.write(tokens)
    return tokens


def test_a_token_is_kept_until_shortly_before_it_ends(
    there: LoginProvider, provider: Provider, store: TokenStore, clock: Clock, person: PersonToken
) -> None:
    tokens = _log_in(there, provider, store, clock)
    asked = there.asked_for(TOKEN)
    clock.wait(LIFETIME.total_seconds() - 31)
    assert person.token() == tokens.access
    assert there.asked_for(TOKEN) == asked
    clock.wait(2)
    renewed = person.token()
    assert renewed != tokens.access
    assert person.token() == renewed
    assert there.asked_for(TOKEN) == asked + 1


def test_each_refresh_token_is_used_once(
    there: LoginProvider, provider: Provider, store: TokenStore, clock: Clock, person: PersonToken
) -> None:
    _log_in(there, provider, store, clock)
    for _ in range(3):
        clock.wait(LIFETIME.total_seconds())
        person.token()
    used = [form["refresh_token"] for form in there.forms if "refresh_token" in form]
    assert len(set(used)) == len(used) == 3
    assert there.sessions == 1


def test_tools_that_run_at_once_renew_a_token_once(
    there: LoginProvider, provider: Provider, store: TokenStore, clock: Clock
) -> None:
    _log_in(there, provider, store, clock)
    clock.wait(LIFETIME.total_seconds())
    asked = there.asked_for(TOKEN)
    ready = threading.Barrier(8)

    def ask(_: int) -> str:
        with httpx.Client() as http:
            mine = Provider(http, there.url, "peygir-tools", clock)
            ready.wait()
            return PersonToken(mine, store, clock).token()

    with ThreadPoolExecutor(8) as threads:
        tokens = set(threads.map(ask, range(8)))
    assert len(tokens) == 1
    assert there.asked_for(TOKEN) == asked + 1


def test_a_session_that_has_ended_is_forgotten_and_named(
    there: LoginProvider, provider: Provider, store: TokenStore, clock: Clock, person: PersonToken
) -> None:
    _log_in(there, provider, store, clock)
    there.end_sessions()
    clock.wait(LIFETIME.total_seconds())
    with pytest.raises(SessionOver, match=r"log in again with `python -m tools\.login`"):
        person.token()
    with pytest.raises(NotLoggedIn, match=r"run `python -m tools\.login`"):
        person.token()


def test_a_provider_that_is_away_costs_nobody_their_session(
    there: LoginProvider, provider: Provider, store: TokenStore, clock: Clock, person: PersonToken
) -> None:
    _log_in(there, provider, store, clock)
    clock.wait(LIFETIME.total_seconds())
    there.answers_to_forms = [Answer(b"", 503)]
    with pytest.raises(ProviderUnavailable, match="try again later"):
        person.token()
    there.go_away()
    with pytest.raises(ProviderUnavailable):
        person.token()
    there.come_back()
    assert person.token()


def test_a_token_that_cannot_be_renewed_ends_with_its_time(
    store: TokenStore, clock: Clock, person: PersonToken
) -> None:
    store.write(Tokens("access", clock.now() + LIFETIME))
    assert person.token() == "access"
    clock.wait(LIFETIME.total_seconds())
    with pytest.raises(SessionOver, match="log in again"):
        person.token()


def test_a_provider_that_keeps_the_refresh_token_is_understood(
    there: LoginProvider, provider: Provider
) -> None:
    there.answers_to_forms = [Answer.json({"access_token": "a", "expires_in": 300})]
    assert provider.refreshed("mine").refresh == "mine"


def test_an_answer_without_a_token_is_no_answer(there: LoginProvider, provider: Provider) -> None:
    there.answers_to_forms = [Answer.json({"token_type": "Bearer"})]
    with pytest.raises(WrongProvider, match="without a token"):
        provider.refreshed("mine")


def test_logging_out_ends_the_session(
    there: LoginProvider, provider: Provider, store: TokenStore, clock: Clock
) -> None:
    tokens = _log_in(there, provider, store, clock)
    assert tokens.refresh is not None
    assert provider.revoke(tokens.refresh)
    assert there.sessions == 0
    assert there.asked_for(REVOKE) == 1


def test_a_provider_that_ends_no_sessions_says_so(there: LoginProvider, provider: Provider) -> None:
    there.lacks = {"revocation_endpoint"}
    assert not provider.revoke("mine")


def test_a_program_has_a_token_by_its_secret_and_keeps_it_in_memory(
    there: LoginProvider, clock: Clock
) -> None:
    there.secrets["job"] = "a:b &%ü"
    settings = LoginSettings(
        env="development",
        oidc_issuer=there.url,
        oidc_client_id="job",
        oidc_client_secret="a:b &%ü",  # type: ignore[arg-type]  # as from the environment
    )
    source = source_of(settings, clock)
    assert isinstance(source, ProgramToken)
    first = source.token()
    assert source.token() == first
    assert there.asked_for(TOKEN) == 1
    clock.wait(LIFETIME.total_seconds())
    assert source.token() != first
    assert there.sessions == 0


def test_a_secret_from_a_file_is_read_again_after_it_changed(
    there: LoginProvider, clock: Clock, tmp_path: Path
) -> None:
    there.secrets["job"] = "first"
    file = tmp_path / "secret"
    file.write_text("first\n")
    settings = LoginSettings(
        env="development",
        oidc_issuer=there.url,
        oidc_client_id="job",
        oidc_client_secret_file=file,
    )
    source = source_of(settings, clock)
    source.token()
    there.secrets["job"] = "second"
    clock.wait(LIFETIME.total_seconds())
    with pytest.raises(Refused, match=r"the client job.*PEYGIR_OIDC_CLIENT_SECRET"):
        source.token()
    file.write_text("second\n")
    assert source.token()
    file.write_text("\n")
    clock.wait(LIFETIME.total_seconds())
    with pytest.raises(NotConfigured, match="is empty"):
        source.token()
    file.unlink()
    with pytest.raises(NotConfigured, match="cannot be read"):
        source.token()


def test_a_given_token_takes_precedence() -> None:
    settings = LoginSettings(
        oidc_issuer="https://id.example.org/realms/peygir",
        token="abc.def.ghi",  # type: ignore[arg-type]  # as from the environment
    )
    source = source_of(settings)
    assert isinstance(source, GivenToken)
    assert source.token() == "abc.def.ghi"
    assert "abc" not in repr(settings)


def test_without_anything_the_setting_is_named() -> None:
    with pytest.raises(NotConfigured, match="PEYGIR_OIDC_ISSUER"):
        source_of(LoginSettings())


def test_only_its_owner_can_read_a_token(store: TokenStore, clock: Clock) -> None:
    store.write(Tokens("access", clock.now(), "refresh"))
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.file.parent.stat().st_mode) == 0o700
    assert store.read() == Tokens("access", clock.now(), "refresh")
    assert [path.name for path in store.file.parent.iterdir()] == [store.file.name]


def test_a_token_that_others_may_read_is_not_used(store: TokenStore, clock: Clock) -> None:
    store.write(Tokens("access", clock.now()))
    store.file.chmod(0o640)
    with pytest.raises(BadTokenFile, match="chmod 600"):
        store.read()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"access": "a", "expires_at": 1}'])
def test_a_broken_file_is_named(store: TokenStore, content: str) -> None:
    store.file.parent.mkdir()
    store.file.write_text(content)
    store.file.chmod(0o600)
    with pytest.raises(BadTokenFile, match="remove it and run"):
        store.read()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "peygir").write_text("a file")
    store = TokenStore(tmp_path / "peygir" / "token.json", "https://id.example", "peygir-tools")
    with pytest.raises(BadTokenFile, match="XDG_CONFIG_HOME"):
        store.write(Tokens("access", clock.now()))


def test_each_issuer_and_client_has_a_file_of_its_own(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    files = {
        store_of(environment, issuer, client).file
        for issuer in ("https://a.example", "https://b.example")
        for client in ("peygir-tools", "other")
    }
    assert len(files) == 4
    assert {file.parent for file in files} == {tmp_path / "peygir"}


def test_a_relative_folder_is_not_one_by_the_xdg_specification() -> None:
    store = store_of({"XDG_CONFIG_HOME": "here"}, "https://a.example", "peygir-tools")
    assert store.file.parent == Path.home() / ".config" / "peygir"


def test_no_token_is_written_where_an_object_is(clock: Clock) -> None:
    tokens = Tokens("an-access-token", clock.now(), "a-refresh-token")
    code = DeviceCode("a-device-code", "BDWP", "https://id.example", None, 600, 5)
    assert "an-access" not in repr(tokens)
    assert "a-refresh" not in repr(tokens)
    assert "a-device" not in repr(code)
