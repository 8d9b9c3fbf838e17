"""Read the settings of a process from variables and files, or end it with one line that says why.

The files are in `/run/secrets`, if it exists, and in the folder that `PEYGIR_SECRETS_DIR` names.
A variable takes precedence over a file; an empty one counts as not set.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from shared.runtime.settings.fields import PREFIX
from shared.runtime.settings.site import SiteSettings

_SECRETS = Path("/run/secrets")

SettingsType = TypeVar("SettingsType", bound=SiteSettings)


def load(settings: type[SettingsType]) -> SettingsType:
    """Read the settings of this process.

    If they are not valid, writes one line to standard error that names the variables and the
    allowed values, and raises SystemExit(2). An unknown variable that looks like a misspelt setting
    gets a warning there.
    """
    try:
        loaded = settings(_secrets_dir=_secret_folders(os.environ))
    except ValidationError as error:
        details = [
            detail for detail in error.errors() if detail["type"] != "default_factory_not_called"
        ]
        _stop("; ".join(_message(settings, detail) for detail in details))
    except SettingsError as error:
        _stop(f"{PREFIX}*: {error}")
    for name, meant in _misspelt(os.environ, settings.model_fields):
        sys.stderr.write(f"warning: {name} is not a setting; was {meant} meant?\n")
    return loaded


def _secret_folders(environment: Mapping[str, str]) -> list[Path]:
    folders = [_SECRETS] if _SECRETS.is_dir() else []
    if named := environment.get(f"{PREFIX}SECRETS_DIR"):
        if not Path(named).is_dir():
            _stop(f"{PREFIX}SECRETS_DIR: {named} is not a folder")
        folders.append(Path(named))
    return folders


def _message(settings: type[SiteSettings], detail: ErrorDetails) -> str:
    """`PEYGIR_RUN: Input should be 'api', …, not 'web'`; a secret value is not repeated."""
    if not detail["loc"]:  # about several settings: the message names them
        return " ".join(detail["msg"].split())
    field, given = str(detail["loc"][0]), detail["input"]
    secret = "Secret" in repr(settings.model_fields[field].annotation)
    repeated = isinstance(given, str) and not secret and detail["type"] != "refused"
    suffix = f", not {given!r}" if repeated else ""
    return " ".join(f"{PREFIX}{field.upper()}: {detail['msg']}{suffix}".split())


def _misspelt(environment: Iterable[str], fields: Iterable[str]) -> list[tuple[str, str]]:
    """Unknown variables, each with the setting that its name resembles."""
    known = [PREFIX + field.upper() for field in fields]
    misspelt = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
            misspelt += [(name, meant) for meant in near]
    return misspelt


def refuse(variable: str, why: str) -> NoReturn:
    """End the process as `load` does, for a value that only the setting's user can check."""
    _stop(f"{variable}: {why}")


def _stop(line: str) -> NoReturn:
    sys.stderr.write(f"{line}\n")
    raise SystemExit(2)
