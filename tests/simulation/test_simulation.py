"""A row of schedules, all that ever failed, and, in the long runs, new ones each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from tests.simulation.regressions import REGRESSIONS

_SECONDS = float(os.environ.get("PEYGIR_SIMULATION_SECONDS", "60"))
_SOAK_SECONDS = float(os.environ.get("PEYGIR_SIMULATION_SOAK_SECONDS", "3600"))
_SOON_FOUND = {"one-waits-for-all", "lease-not-renewed"}
_WITHIN = 600  # schedules of its theme, at most


def simulate(*arguments: str, limit: float = 170.0) -> subprocess.CompletedProcess[str]:
    """Run `python -m tests.simulation`, in a process whose sets have one order always."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        env={**os.environ, "PYTHONHASHSEED": "0", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    print(done.stdout, done.stderr)
    return done


def fresh_seed() -> str:
    """The first of a row of seeds that no run before had."""
    return str(int(time.time()) * 1_000)


def test_a_row_of_schedules_keeps_the_promise() -> None:
    done = simulate("--from", "5000000", "--seeds", "600")
    assert done.returncode == 0, done.stdout


@pytest.mark.soak
def test_new_schedules_keep_the_promise() -> None:
    first = fresh_seed()
    done = simulate("--from", first, "--seconds", str(_SECONDS), limit=_SECONDS + 100)
    assert done.returncode == 0, done.stdout


def test_what_failed_once_keeps_the_promise() -> None:
    assert simulate("--recorded").returncode == 0


@pytest.mark.parametrize("seed", ["4461", "9885", "11229"])
def test_what_was_let_wait_is_seen_on_a_primary_that_was_just_elected(seed: str) -> None:
    """Else what follows it is applied, and it is outdated when it is offered again."""
    assert simulate("--seed", seed, "--theme", "doubt").returncode == 0


@pytest.mark.parametrize("seed", ["0", "15"])
def test_a_seed_is_one_schedule_always(seed: str) -> None:
    digests = {re.findall("digest (.*)", simulate("--seed", seed).stdout)[0] for _ in range(2)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in _SOON_FOUND else (pytest.mark.soak,))
        for name in REGRESSIONS
    ],
)
@pytest.mark.timeout(1_800)
def test_a_mend_that_is_taken_out_is_missed(name: str) -> None:
    regression = REGRESSIONS[name]
    options = ("--theme", regression.theme, "--seeds", str(_WITHIN), "--until", regression.found_as)
    done = simulate("--without", name, *options, limit=1_700)
    assert regression.found_as in done.stdout


@pytest.mark.soak
@pytest.mark.timeout(_SOAK_SECONDS + 600)
def test_an_hour_of_new_schedules_keeps_the_promise() -> None:
    jobs = str(os.cpu_count() or 1)
    options = ("--from", fresh_seed(), "--seconds", str(_SOAK_SECONDS), "--jobs", jobs)
    assert simulate(*options, limit=_SOAK_SECONDS + 300).returncode == 0
