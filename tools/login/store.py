"""The tokens of the person who works here: a file that only they can read."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tools.login.errors import COMMAND, BadTokenFile
from tools.login.provider import Tokens

_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class TokenStore:
    """The tokens of one client at one issuer."""

    file: Path
    issuer: str
    client_id: str

    def read(self) -> Tokens | None:
        """What was kept; None if nothing was. Raises BadTokenFile."""
        try:
            with self.file.open(encoding="utf-8") as opened:
                if os.fstat(opened.fileno()).st_mode & _OTHERS:
                    raise BadTokenFile(
                        f"others may read {self.file}; `chmod 600` it, or log in again with "
                        f"`{COMMAND}`"
                    )
                kept = json.load(opened)
            return Tokens(
                kept["access"], datetime.fromisoformat(kept["expires_at"]), kept["refresh"]
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadTokenFile(
                f"{self.file} holds no token ({error}); remove it and run `{COMMAND}`"
            ) from error

    def write(self, tokens: Tokens) -> None:
        """Keep the tokens, whole or not at all. Raises BadTokenFile."""
        content = {
            "issuer": self.issuer,
            "client_id": self.client_id,
            "access": tokens.access,
            "expires_at": tokens.expires_at.isoformat(),
            "refresh": tokens.refresh,
        }
        draft = self.file.with_suffix(f".{os.getpid()}.new")
        try:
            self.file.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                json.dump(content, opened)
                opened.flush()
                os.fsync(opened.fileno())  # the refresh token before it is no longer valid
            draft.replace(self.file)
        except OSError as error:
            raise BadTokenFile(
                f"the token cannot be kept in {self.file} ({error}); make the folder writable or "
                "name another in XDG_CONFIG_HOME"
            ) from error

    def forget(self) -> None:
        """Remove the tokens; harmless if there are none."""
        self.file.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process at a time in: a refresh token may be valid only once."""
        self.file.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        with self.file.with_suffix(".lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def store_of(environment: Mapping[str, str], issuer: str, client_id: str) -> TokenStore:
    """The store in the user's configuration folder, by the XDG Base Directory Specification."""
    named = environment.get("XDG_CONFIG_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".config"
    name = hashlib.sha256(f"{issuer}\n{client_id}".encode()).hexdigest()[:16]
    return TokenStore(base / "peygir" / f"token-{name}.json", issuer, client_id)
