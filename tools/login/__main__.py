"""`python -m tools.login`: log in at the identity provider.

python -m tools.login          log in, in any browser
python -m tools.login status   who is logged in, in which roles, until when
python -m tools.login token    print a valid token, for curl
python -m tools.login logout   end the session and forget the token
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from shared.runtime.clocks import MachineClock, SystemMachineClock
from shared.runtime.settings import load
from tools.login.claims import claims_of
from tools.login.device import wait_for_tokens
from tools.login.errors import COMMAND, LoginError
from tools.login.provider import DeviceCode, http_client
from tools.login.settings import LoginSettings
from tools.login.sources import provider_of, source_of, store_for

_EXIT_FAILED: Final = 1

_console = Console(stderr=True, highlight=False)
_clock: MachineClock = SystemMachineClock()
_sleep = time.sleep
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def login(context: typer.Context) -> None:
    """Log in at PEYGIR_OIDC_ISSUER by confirming a code in a browser, here or on any device.

    The token is kept in the user's configuration folder and renewed by the tools. PEYGIR_TOKEN
    takes precedence over it. Programs set PEYGIR_OIDC_CLIENT_ID and PEYGIR_OIDC_CLIENT_SECRET, or
    PEYGIR_OIDC_CLIENT_SECRET_FILE, and need no login.
    """
    if context.invoked_subcommand is not None:
        return
    settings = load(LoginSettings)
    with _explained():
        if settings.token is not None:
            _console.print("PEYGIR_TOKEN is set and takes precedence; unset it to use a login")
        elif settings.client_secret() is not None:
            source_of(settings, _clock).token()
            _console.print("the secret of the client is accepted; its tools need no login")
        else:
            _log_in(settings)


@app.command()
def status() -> None:
    """Say who is logged in, as the token has it; exit code 1 if nobody is."""
    settings = load(LoginSettings)
    with _explained():
        token = source_of(settings, _clock).token()
    _console.print(_description(token, settings))


@app.command()
def token() -> None:
    """Print a valid token on standard output, renewed if need be."""
    settings = load(LoginSettings)
    with _explained():
        print(source_of(settings, _clock).token())


@app.command()
def logout(
    *,
    keep_session: Annotated[
        bool, typer.Option("--keep-session", help="Only forget the token here.")
    ] = False,
) -> None:
    """End the session at the provider, and forget the token."""
    settings = load(LoginSettings)
    with _explained():
        store = store_for(settings)
        kept = store.read()
        if kept is None:
            _console.print("nobody is logged in")
            return
        store.forget()
        if keep_session or kept.refresh is None:
            _console.print("the token is forgotten here; the session at the provider goes on")
            return
        with http_client(settings.oidc_ca_file) as http:
            ended = provider_of(settings, http, _clock).revoke(kept.refresh)
    _console.print(
        "logged out"
        if ended
        else "the token is forgotten here; the provider cannot end the session, it ends by itself"
    )


def _log_in(settings: LoginSettings) -> None:
    store = store_for(settings)
    with http_client(settings.oidc_ca_file) as http:
        provider = provider_of(settings, http, _clock)
        code = provider.start_device_login(settings.oidc_scope)
        _show(code)
        with _console.status("waiting until you confirm it …"):
            tokens = wait_for_tokens(provider, code, _clock, _sleep)
    with store.alone():
        store.write(tokens)
    _console.print(_description(tokens.access, settings))


def _show(code: DeviceCode) -> None:
    _console.print("Open this address in a browser, here or on any other device:")
    _console.print(f"\n    [bold]{escape(code.full_address or code.address)}[/]\n", soft_wrap=True)
    if code.full_address is not None:
        _console.print(f"and confirm the code [bold]{escape(code.shown)}[/] if it shows that one.")
    else:
        _console.print(f"and enter the code [bold]{escape(code.shown)}[/]")
    _console.print(f"The code is valid for {round(code.expires_in / 60)} minutes.")


def _description(token: str, settings: LoginSettings) -> str:
    claims = claims_of(token, settings)
    if claims is None:
        return "there is a token; it does not say whose it is"
    roles = ", ".join(claims.roles) or "no role; whoever manages accounts gives roles"
    until = f", until {_local(claims.expires_at)}" if claims.expires_at else ""
    return escape(f"{claims.user or 'somebody'}: {roles}{until}")


def _local(instant: datetime) -> str:
    return instant.astimezone().strftime("%H:%M:%S")


@contextmanager
def _explained() -> Iterator[None]:
    """End with exit code 1 and a line that says what to do, instead of a traceback."""
    try:
        yield
    except LoginError as error:
        _console.print(escape(str(error)), soft_wrap=True)
        raise typer.Exit(_EXIT_FAILED) from error


if __name__ == "__main__":
    app(prog_name=COMMAND)
