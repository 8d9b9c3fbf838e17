"""Why there is no token. Each message says what to do."""

from __future__ import annotations

from typing import Final

COMMAND: Final = "python -m tools.login"


class LoginError(Exception):
    """There is no valid token, or no way to get one."""


class NotConfigured(LoginError):
    """No provider is named."""


class ProviderUnavailable(LoginError):
    """The provider does not answer, or answers with an error of its own; trying again may help."""


class WrongProvider(LoginError):
    """What answers is not the provider that was named, or offers less than is needed."""


class Refused(LoginError):
    """The provider refuses this program."""


class Denied(LoginError):
    """The person said no."""


class CodeExpired(LoginError):
    """Nobody confirmed the code in time."""


class SessionOver(LoginError):
    """The session has ended: its refresh token is not accepted any more."""


class NotLoggedIn(LoginError):
    """Nobody has logged in here."""


class BadTokenFile(LoginError):
    """The file of the token cannot be used."""


class TokenWouldLeak(LoginError):
    """The token would travel in plain text."""
