"""An OpenID provider of the tests' own: it makes keys, publishes them and signs any claims.

It answers in a thread of its own, so that tests, and processes that tests start, can ask it.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeyParameters, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from shared.runtime.clocks import MachineClock, SystemMachineClock

AUDIENCE: Final = "peygir"
DISCOVERY: Final = "/.well-known/openid-configuration"
KEYS: Final = "/keys"

Claims: TypeAlias = Mapping[str, Any]

_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the algorithm that it signs with."""

    algorithm: str
    private: Key

    @classmethod
    def new(cls, algorithm: str = "ES256", kid: str | None = None) -> Self:
        """A key for `RS…`, `PS…`, `ES…`, `EdDSA` (Ed25519) or `HS…`. RSA takes a while to make."""
        parameters: KeyParameters = {"kid": kid or uuid.uuid4().hex, "alg": algorithm, "use": "sig"}
        private: Key
        if algorithm in _CURVES:
            private = ECKey.generate_key(_CURVES[algorithm], parameters)
        elif algorithm == "EdDSA":
            private = OKPKey.generate_key("Ed25519", parameters)
        elif algorithm.startswith("HS"):
            private = OctKey.generate_key(512, parameters)
        else:
            private = RSAKey.generate_key(_RSA_BITS, parameters)
        return cls(algorithm, private)

    @property
    def kid(self) -> str:
        return str(self.private.kid)

    @property
    def public(self) -> dict[str, Any]:
        """The public half as a JSON Web Key."""
        return dict(self.private.as_dict(private=False))

    def sign(self, claims: Claims, header: Mapping[str, Any] | None = None) -> str:
        """The claims as a signed token; `header` adds to its header or replaces what it has."""
        full = {"alg": self.algorithm, "kid": self.kid, **(header or {})}
        registry = JWSRegistry(algorithms=[full["alg"]], strict_check_header=False)
        return jwt.encode(full, dict(claims), self.private, registry=registry)


def compact(header: Mapping[str, Any], claims: Claims, signature: bytes = b"") -> str:
    """A token as an attacker writes it: with any header and any signature."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature)
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider answers at a path."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: Any, status: int = 200) -> Self:
        return cls(json.dumps(content).encode(), status, {"Content-Type": "application/json"})


class Issuer:
    """A context manager. It serves discovery and keys over HTTP on a free loopback port.

    `requests` has the paths that were asked for, in order. What a test puts into `answers` under a
    path below the issuer's (such as `KEYS`) is answered instead of the truth.
    """

    def __init__(
        self,
        *keys: SigningKey,
        path: str = "/realms/peygir",
        clock: MachineClock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """The first key signs; without keys it makes one for ES256. `tls` makes it HTTPS."""
        self.published = list(keys) or [SigningKey.new()]
        self.signing = self.published[0]
        self.requests: list[str] = []
        self.answers: dict[str, Answer] = {}
        self._path = path
        self._clock = clock or SystemMachineClock()
        self._tls = tls
        self._port = 0
        self._server: _Server | None = None
        self._answering = threading.Event()
        self._answering.set()

    def __enter__(self) -> Self:
        self.come_back()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()

    @property
    def url(self) -> str:
        """What its tokens have as `iss`."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}{self._path}"

    def token(
        self,
        user: str = "g.razavi",
        roles: Sequence[str] = (),
        lifetime: timedelta = timedelta(minutes=5),
        now: datetime | None = None,
        **others: Any,
    ) -> str:
        """A token as Peygir accepts it; `others` are further claims, or replace these."""
        return self.sign(self.claims(user, roles, lifetime, now, **others))

    def claims(
        self,
        user: str = "g.razavi",
        roles: Sequence[str] = (),
        lifetime: timedelta = timedelta(minutes=5),
        now: datetime | None = None,
        **others: Any,
    ) -> dict[str, Any]:
        """The claims of `token`. One that is given as None is left out."""
        at = now or self._clock.now()
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": str(uuid.uuid5(uuid.NAMESPACE_OID, user)),
            "azp": "peygir-tools",
            "jti": uuid.uuid4().hex,
            "iat": int(at.timestamp()),
            "exp": int((at + lifetime).timestamp()),
            "preferred_username": user,
            "roles": list(roles),
        }
        return {name: value for name, value in {**usual, **others}.items() if value is not None}

    def sign(
        self, claims: Claims, key: SigningKey | None = None, header: Mapping[str, Any] | None = None
    ) -> str:
        """Any claims, signed by the current key or by another, published or not."""
        return (key or self.signing).sign(claims, header)

    def rotate(self, algorithm: str = "ES256", *, keep_former: bool = True) -> SigningKey:
        """Sign with a new key from now on; the former ones stay published, or are withdrawn."""
        self.signing = SigningKey.new(algorithm)
        self.published = [self.signing, *(self.published if keep_former else ())]
        return self.signing

    def go_away(self) -> None:
        """Refuse connections until `come_back`. Waiting requests are let go without an answer."""
        if self._server is not None:
            server, self._server = self._server, None
            server.is_leaving = True
            self._answering.set()
            server.shutdown()
            server.server_close()

    def come_back(self) -> None:
        """Listen, at the same address as before."""
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Take requests, but answer them only when the block ends."""
        self._answering.clear()
        try:
            yield
        finally:
            self._answering.set()

    def asked_for(self, path: str) -> int:
        """How often that path, such as `KEYS`, was asked for."""
        return self.requests.count(path)

    def answer(self, path: str) -> Answer:
        """What is answered at the path below the issuer's; takes its time while `slow`."""
        self.requests.append(path)
        self._answering.wait()
        if path in self.answers:
            return self.answers[path]
        if path == DISCOVERY:
            return Answer.json(self.discovery())
        if path == KEYS:
            return Answer.json({"keys": [key.public for key in self.published]})
        return Answer.json({"error": "not found"}, 404)

    def discovery(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "issuer": self.url,
            "jwks_uri": self.url + KEYS,
            "id_token_signing_alg_values_supported": [key.algorithm for key in self.published],
        }

    def post(self, path: str, form: Mapping[str, str], authorization: str) -> Answer:
        """What is answered to a form; an issuer that only signs takes none."""
        self.requests.append(path)
        return Answer.json({"error": "not found"}, 404)

    def below(self, path: str) -> str:
        """The path of a request without the issuer's own; as it is where it lies elsewhere."""
        return urlsplit(path).path.removeprefix(self._path)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], issuer: Issuer) -> None:
        self.issuer = issuer
        self.is_leaving = False
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._send(self.server.issuer.answer(self.server.issuer.below(self.path)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        issuer = self.server.issuer
        path = issuer.below(self.path)
        self._send(issuer.post(path, form, self.headers.get("Authorization", "")))

    def _send(self, answer: Answer) -> None:
        if self.server.is_leaving:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")  # so that `go_away` leaves nothing open
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The tests count requests; nobody reads them."""
