"""A short season on a real installation: all is in order, and it is the same season each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.layout import PROJECT

_ARGUMENTS = (sys.executable, "-m", "tools.demo", "--sessions", "2", "--seed", "1402")
_SECONDS = 240  # on a machine with much else to do
_DIGEST = "bc99580ee53830a15b40fa3b49679c0992a3975b96fe05adc23e17db0635a241"
"""Of that season, whoever replays it wherever; it changes with what the demo does alone."""


@pytest.fixture
def own_local(local: Path, test_folder: Path) -> Path:
    """A local folder with nothing in it but what the set-up downloaded."""
    folder = test_folder / "demo"
    folder.mkdir()
    (folder / "cache").symlink_to(local / "cache", target_is_directory=True)
    return folder


def replay(local: Path) -> str:
    """Run the demo as its user does; return what it says."""
    done = subprocess.run(
        _ARGUMENTS,
        cwd=PROJECT,
        env={**os.environ, "PEYGIR_LOCAL_DIR": str(local), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    return done.stdout


def digest_in(told: str) -> str:
    found = re.search("^digest ([0-9a-f]{64})$", told, re.MULTILINE)
    assert found is not None, told
    return found[1]


@pytest.mark.timeout(_SECONDS)
def test_a_short_season_is_in_order_and_the_same_each_time(own_local: Path) -> None:
    told = replay(own_local)
    assert "کارنامه" in told
    assert "معاونت عمرانی" in told
    assert "faults" not in told
    assert digest_in(told) == _DIGEST
    assert [left.name for left in own_local.iterdir()] == ["cache"]


def test_a_demo_that_cannot_be_set_up_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        _ARGUMENTS,
        cwd=PROJECT,
        env={**os.environ, "PEYGIR_LOCAL_DIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert "run `make setup`" in done.stdout
