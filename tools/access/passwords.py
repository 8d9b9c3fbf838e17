"""The user name and the password of each workload, in files that become its Secret.

A folder has one folder for each workload, and each of its files is named as the setting is that
it holds: `kubectl create secret generic peygir-scheduler --from-file=secrets/scheduler`.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

USERNAME: Final = "peygir_mongodb_username"
PASSWORD: Final = "peygir_mongodb_password"  # noqa: S105 - the name of a file

_PRIVATE: Final = 0o600
_OTHERS: Final = 0o077
_RANDOM_BYTES: Final = 32
_LEAST_LETTERS: Final = 16


class BadSecret(Exception):
    """A file of secrets cannot be used as it is; the message says why, and never its content."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user of MongoDB and its password."""

    user: str
    password: str = field(repr=False)


def new_login(user: str) -> Login:
    """A login with a random password of 256 bits."""
    return Login(user, secrets.token_urlsafe(_RANDOM_BYTES))


def read(folder: Path) -> Login | None:
    """The login in the folder of a workload; None if there is none.

    Raises BadSecret if only one of its files is there, others may read it, or the password is
    shorter than 16 characters.
    """
    files = [folder / USERNAME, folder / PASSWORD]
    there = [file for file in files if file.is_file()]
    if not there:
        return None
    if len(there) < len(files):
        (missing,) = set(files) - set(there)
        raise BadSecret(f"{missing} is missing beside {there[0].name}: add it, or remove both")
    for file in files:
        if file.stat().st_mode & _OTHERS:
            raise BadSecret(f"{file} can be read by others: chmod 600 {file}")
    user, password = (file.read_text(encoding="utf-8").strip() for file in files)
    if len(password) < _LEAST_LETTERS:
        raise BadSecret(f"{files[1]} holds fewer than {_LEAST_LETTERS} characters: make it longer")
    return Login(user, password)


def write(folder: Path, login: Login) -> None:
    """Write the login of a workload into files of mode 600; each is replaced as a whole."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in ((USERNAME, login.user), (PASSWORD, login.password)):
        new = folder / f".{name}.new"
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as file:
            file.write(text)
        new.replace(folder / name)
