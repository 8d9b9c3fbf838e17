"""A provider of the tests' own at which one can log in: RFC 6749, RFC 7009 and RFC 8628.

`make identity` holds the same tools against a real one.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

from shared.runtime.clocks import MachineClock
from tests.identity.issuer import Answer, Issuer

DEVICE: Final = "/device"
TOKEN: Final = "/token"
REVOKE: Final = "/revoke"
LIFETIME: Final = timedelta(minutes=5)
CODE_SECONDS: Final = 600
INTERVAL: Final = 5

_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_CODE: Final = "BDWP-HQPK"


@dataclass(slots=True)
class _Login:
    client: str
    expires_at: float  # monotonic
    allowed_at: float  # monotonic
    decision: str | None = None  # the user who agreed, or "" for a refusal


class LoginProvider(Issuer):
    """Holds people, clients and sessions as a real one does. Its time is the clock's."""

    def __init__(self, clock: MachineClock) -> None:
        super().__init__(clock=clock)
        self.roles: dict[str, list[str]] = {}  # by user
        self.secrets: dict[str, str] = {}  # of confidential clients
        self.lacks: set[str] = set()  # what its discovery does not name
        self.forms: list[Mapping[str, str]] = []
        self.answers_to_forms: list[Answer] = []  # instead of the truth, once each
        self._time = clock
        self._logins: dict[str, _Login] = {}
        self._sessions: dict[str, str] = {}  # refresh tokens that are valid, each with its user

    def agree(self, user: str) -> None:
        """The person confirms every code that waits."""
        for login in self._logins.values():
            login.decision = user

    def refuse(self) -> None:
        """The person says no."""
        self.agree("")

    def end_sessions(self) -> None:
        """As an administrator does who signs a user out."""
        self._sessions.clear()

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    def discovery(self) -> dict[str, Any]:
        all_of_it = {
            **super().discovery(),
            "token_endpoint": self.url + TOKEN,
            "device_authorization_endpoint": self.url + DEVICE,
            "revocation_endpoint": self.url + REVOKE,
        }
        return {name: value for name, value in all_of_it.items() if name not in self.lacks}

    def post(self, path: str, form: Mapping[str, str], authorization: str) -> Answer:
        self.requests.append(path)
        self.forms.append(form)
        if self.answers_to_forms:
            return self.answers_to_forms.pop(0)
        client = self._client(form, authorization)
        if client is None:
            return _error("invalid_client", "Invalid client or Invalid client credentials", 401)
        match path, form.get("grant_type"):
            case (_, _) if path == DEVICE:
                return self._start(client)
            case (_, _) if path == REVOKE:
                self._sessions.pop(form["token"], None)
                return Answer(b"")
            case _, grant if grant == _DEVICE_GRANT:
                return self._poll(client, form["device_code"])
            case _, "refresh_token":
                return self._refresh(form["refresh_token"])
            case _, "client_credentials" if client in self.secrets:
                return self._tokens(f"service-account-{client}", with_session=False)
        return _error("unauthorized_client", "Client not enabled for it")

    def _client(self, form: Mapping[str, str], authorization: str) -> str | None:
        """Who asks, if that is proven; a public client only names itself."""
        if not authorization:
            client = form.get("client_id", "")
            return None if client in self.secrets else client
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        name, _, secret = given.partition(":")
        client = unquote(name)
        return client if self.secrets.get(client) == unquote(secret) else None

    def _start(self, client: str) -> Answer:
        now = self._time.monotonic()
        code = uuid.uuid4().hex
        self._logins[code] = _Login(client, now + CODE_SECONDS, now + INTERVAL)
        return Answer.json(
            {
                "device_code": code,
                "user_code": _CODE,
                "verification_uri": f"{self.url}{DEVICE}",
                "verification_uri_complete": f"{self.url}{DEVICE}?user_code={_CODE}",
                "expires_in": CODE_SECONDS,
                "interval": INTERVAL,
            }
        )

    def _poll(self, client: str, code: str) -> Answer:
        login = self._logins.get(code)
        now = self._time.monotonic()
        if login is None or login.client != client:
            return _error("invalid_grant", "Device code not valid")
        if now >= login.expires_at:
            return _error("expired_token")
        too_fast, login.allowed_at = now < login.allowed_at, now + INTERVAL
        if too_fast:
            return _error("slow_down")
        if login.decision is None:
            return _error("authorization_pending")
        del self._logins[code]
        return self._tokens(login.decision) if login.decision else _error("access_denied")

    def _refresh(self, refresh: str) -> Answer:
        """A refresh token is valid once; whoever uses it again ends the session."""
        user = self._sessions.pop(refresh, None)
        if user is None:
            self.end_sessions()
            return _error("invalid_grant", "Session not active")
        return self._tokens(user)

    def _tokens(self, user: str, *, with_session: bool = True) -> Answer:
        now: datetime = self._time.now()
        content: dict[str, Any] = {
            "access_token": self.token(user, self.roles.get(user, []), LIFETIME, now),
            "expires_in": int(LIFETIME.total_seconds()),
            "token_type": "Bearer",
        }
        if with_session:
            content["refresh_token"] = uuid.uuid4().hex
            self._sessions[content["refresh_token"]] = user
        return Answer.json(content)


def _error(name: str, description: str = "", status: int = 400) -> Answer:
    content = {"error": name, "error_description": description}
    return Answer.json({key: value for key, value in content.items() if value}, status)
