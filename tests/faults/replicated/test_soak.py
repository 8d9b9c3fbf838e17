"""Every fault there is, three times, under fifty thousand records; one table tells how it went."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.cluster import Cluster, Name
from tests.faults.replicated.arena import small_disks, started
from tests.faults.replicated.faults import FAULTS
from tests.faults.replicated.run import Plan, arena, run
from tests.faults.replicated.table import show
from tests.local.disk import Disk
from tests.promise.history import write

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7_200)]

EVENTS = 50_000
TIMES = 3
STEADY_SECONDS = 15.0


@pytest.fixture(scope="module")
def disks(test_folder: Path) -> Iterator[Mapping[Name, Disk]]:
    with small_disks(test_folder / "disks") as found:
        yield found


@pytest.fixture(scope="module")
def replicated(local: Path, test_folder: Path, disks: Mapping[Name, Disk]) -> Iterator[Cluster]:
    yield from started(test_folder / "replicated", local, disks)


async def test_nothing_is_lost_or_doubled_whatever_fails(
    replicated: Cluster,
    disks: Mapping[Name, Disk],
    namespace: str,
    test_folder: Path,
    local: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("PEYGIR_SEED", "1402"))
    plan = Plan(seed, EVENTS, rate=25, faults=list(FAULTS), times=TIMES)
    async with arena(replicated, namespace, test_folder, disks) as where:
        report = await run(where, plan)
    with capsys.disabled():
        show(report, Console(width=150))
    if not report.ok:
        write(report.history, local / f"history-of-seed-{seed}.jsonl")
    assert report.violations == []
    assert Counter(one.name for one in report.struck) == dict.fromkeys(FAULTS, TIMES)
    assert report.at_rest is not None
    last = report.struck[-1]
    assert last.recovery is not None
    assert last.recovery < STEADY_SECONDS
    assert report.ok
    assert len(report.history.sent) >= EVENTS
