"""`python -m tools.login`: what people see, and what is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.identity.issuer import Answer
from tests.identity.provider import TOKEN, LoginProvider
from tests.unit.login.conftest import Clock
from tools.login import __main__ as login


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginProvider]:
    """A provider that tests' environment names, and nothing else of the environment's."""
    clock = Clock()

    def wait(seconds: float) -> None:
        clock.wait(seconds)
        provider.agree("g.razavi")

    with LoginProvider(clock) as provider:
        provider.roles["g.razavi"] = ["province:IR-09", "adviser:social"]
        for name in ("TOKEN", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_CA_FILE"):
            monkeypatch.delenv(f"PEYGIR_{name}", raising=False)
        monkeypatch.setenv("PEYGIR_ENV", "development")
        monkeypatch.setenv("PEYGIR_OIDC_ISSUER", provider.url)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.setattr(login, "_clock", clock)
        monkeypatch.setattr(login, "_sleep", wait)
        yield provider


def run(*arguments: str) -> Result:
    return CliRunner().invoke(login.app, arguments)


def _logged_in(there: LoginProvider) -> Result:
    """Log in, with a person who agrees at once."""
    done = run()
    assert there.sessions
    return done


def test_logging_in_shows_where_to_confirm_what_and_then_who_one_is(there: LoginProvider) -> None:
    done = _logged_in(there)
    assert done.exit_code == 0, done.output
    assert f"{there.url}/device?user_code=BDWP-HQPK" in done.stderr
    assert "confirm the code BDWP-HQPK" in done.stderr
    assert "The code is valid for 10 minutes." in done.stderr
    assert "g.razavi: province:IR-09, adviser:social, until " in done.stderr
    assert done.stdout == ""


def test_the_status_is_what_the_token_says(there: LoginProvider) -> None:
    before = run("status")
    assert before.exit_code == 1
    assert "run `python -m tools.login`" in before.stderr
    _logged_in(there)
    after = run("status")
    assert after.exit_code == 0
    assert after.stderr.startswith("g.razavi: province:IR-09, adviser:social, until ")


def test_a_token_is_printed_alone(there: LoginProvider) -> None:
    _logged_in(there)
    done = run("token")
    assert done.exit_code == 0
    [token] = done.stdout.splitlines()
    assert token.count(".") == 2
    assert done.stderr == ""


def test_logging_out_ends_the_session_and_forgets_the_token(
    there: LoginProvider, tmp_path: Path
) -> None:
    _logged_in(there)
    assert there.sessions == 1
    assert list(tmp_path.rglob("token-*.json"))
    assert run("logout").stderr == "logged out\n"
    assert there.sessions == 0
    assert not list(tmp_path.rglob("token-*.json"))
    assert run("logout").stderr == "nobody is logged in\n"


def test_the_session_may_go_on(there: LoginProvider, tmp_path: Path) -> None:
    _logged_in(there)
    assert "the session at the provider goes on" in run("logout", "--keep-session").stderr
    assert there.sessions == 1
    assert not list(tmp_path.rglob("token-*.json"))


def test_the_token_is_forgotten_even_if_the_provider_is_away(
    there: LoginProvider, tmp_path: Path
) -> None:
    _logged_in(there)
    there.go_away()
    done = run("logout")
    assert done.exit_code == 1
    assert "does not answer" in done.stderr
    assert not list(tmp_path.rglob("token-*.json"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("access_denied", "was refused in the browser"),
        ("expired_token", "the code has expired"),
        ("invalid_grant", "refuses the client peygir-tools: invalid_grant"),
    ],
)
def test_a_login_that_fails_is_one_line_that_says_what_to_do(
    there: LoginProvider, monkeypatch: pytest.MonkeyPatch, error: str, words: str
) -> None:
    refusal = Answer.json({"error": error}, 400)
    monkeypatch.setattr(login, "_sleep", lambda _: there.answers_to_forms.append(refusal))
    done = run()
    assert done.exit_code == 1
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_an_issuer_that_is_missing_is_named(
    there: LoginProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PEYGIR_OIDC_ISSUER")
    for command in ((), ("status",), ("token",), ("logout",)):
        done = run(*command)
        assert done.exit_code == 1
        assert "set PEYGIR_OIDC_ISSUER" in done.stderr


def test_a_program_with_a_secret_needs_no_login(
    there: LoginProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there.secrets["job"] = "secret"
    there.roles["service-account-job"] = ["operator"]
    monkeypatch.setenv("PEYGIR_OIDC_CLIENT_ID", "job")
    monkeypatch.setenv("PEYGIR_OIDC_CLIENT_SECRET", "secret")
    assert "its tools need no login" in run().stderr
    assert "service-account-job: operator" in run("status").stderr
    assert not list(tmp_path.rglob("token-*.json"))
    monkeypatch.setenv("PEYGIR_OIDC_CLIENT_SECRET", "other")
    done = run()
    assert done.exit_code == 1
    assert "PEYGIR_OIDC_CLIENT_SECRET" in done.stderr


def test_a_given_token_takes_precedence_over_a_login(
    there: LoginProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEYGIR_TOKEN", there.token("other", ["auditor"]))
    assert "unset it to use a login" in run().stderr
    assert run("status").stderr.startswith("other: auditor, until ")
    monkeypatch.setenv("PEYGIR_TOKEN", "opaque-token")
    assert "does not say whose it is" in run("status").stderr
    assert there.asked_for(TOKEN) == 0


def test_a_token_with_its_scheme_is_refused(
    there: LoginProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEYGIR_TOKEN", "Bearer abc")
    done = run("status")
    assert done.exit_code == 2
    assert "abc" not in done.output


def test_nothing_of_a_provider_is_taken_as_markup(there: LoginProvider) -> None:
    there.roles["g.razavi"] = ["[bold]x[/bold]"]
    assert "[bold]x[/bold]" in _logged_in(there).stderr


def test_the_file_names_whose_it_is(there: LoginProvider, tmp_path: Path) -> None:
    _logged_in(there)
    [file] = tmp_path.rglob("token-*.json")
    kept = json.loads(file.read_text())
    assert (kept["issuer"], kept["client_id"]) == (there.url, "peygir-tools")
