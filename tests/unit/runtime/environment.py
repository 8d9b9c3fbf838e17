"""Environment variables for one test, and the error line for a wrong one."""

from __future__ import annotations

import os

import pytest

from shared.runtime.settings import SiteSettings, load


class Environment:
    """Sets variables for one test; starts with PEYGIR_ENV=development alone."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        for name in list(os.environ):
            if name.startswith("PEYGIR_"):
                patch.delenv(name)
        self.set(ENV="development")

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._patch.setenv(f"PEYGIR_{name}", value)

    def unset(self, name: str) -> None:
        self._patch.delenv(f"PEYGIR_{name}")


def complaint(capsys: pytest.CaptureFixture[str], settings: type[SiteSettings]) -> str:
    """The line that is written when the settings are refused."""
    with pytest.raises(SystemExit) as stopped:
        load(settings)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    return err.rstrip("\n")
