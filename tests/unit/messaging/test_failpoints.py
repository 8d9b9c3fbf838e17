"""Failpoints: where a process under test dies."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deploy.local.layout import PROJECT
from shared.messaging.core.failpoints import Failpoint, UnknownFailpoint, kill_at, no_faults

PASSES = """
import sys
from shared.messaging.core.failpoints import Failpoint, kill_at
failpoint = kill_at(sys.argv[1])
for n in range(3):
    failpoint(Failpoint.SEND_HANDED)
    failpoint(Failpoint.SEND_READ)
    print(n, flush=True)
"""


@pytest.mark.parametrize(
    ("wish", "printed", "code"),
    [
        ("send.read", "", -9),
        ("send.read:1", "", -9),
        ("send.read:3", "0\n1\n", -9),
        ("send.read:4", "0\n1\n2\n", 0),
        ("commit.done", "0\n1\n2\n", 0),
    ],
)
def test_a_process_dies_the_nth_time_that_it_reaches_its_step(
    wish: str, printed: str, code: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PASSES, wish],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == (printed, code)


@pytest.mark.parametrize("wish", ["", "send", "send.read:x", "SEND_READ", ":1"])
def test_a_step_that_does_not_exist_is_refused_with_those_that_do(wish: str) -> None:
    with pytest.raises(UnknownFailpoint) as refused:
        kill_at(wish)
    assert all(step.value in str(refused.value) for step in Failpoint)


def test_every_step_can_be_named_and_passed_by() -> None:
    for step in Failpoint:
        kill_at(step.value)
        no_faults(step)
