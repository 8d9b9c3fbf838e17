"""`python -m tests.bench.sweeper`: what a sweep costs among few and among many that are stored.

The sweeper, its lease and the store are the service's own, in this process; there is no relay. What
a sweep announced is taken back behind it, so that the same ones come due in every round.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from pymongo import ReplaceOne
from rich.console import Console

from services.followups import handlers
from shared.messaging.ledger.leases import Lease
from shared.messaging.scheduling.sweeper import Sweeper
from shared.runtime import mongo
from shared.runtime.clocks import SystemDomainClock
from tests.bench.lives import stock, store_of, tracking_of
from tests.bench.screen import CacheGb, on_a_cluster
from tests.bench.stored import fill
from tests.bench.turns import compared, save

_console = Console()

_TARGET: Final = 1.2  # at most
_LEASE_SECONDS: Final = 3_600.0  # nobody else wants it
_NOTED_EVERY: Final = timedelta(seconds=1)


class Swept:
    """A deputy's database in which the same follow-ups come due again and again."""

    def __init__(self, client: mongo.Client, namespace: str) -> None:
        store, self._database = store_of(client, "civil", namespace)
        self._followups = self._database["followups"]
        self._lease = Lease(self._database, "sweeper", "bench", _LEASE_SECONDS)
        self._sweeper = Sweeper(
            self._database,
            partial(handlers.sweep, store, tracking_of("civil", namespace)),
            store.due_queue,
            clock=SystemDomainClock(),
            noted_every=_NOTED_EVERY,
        )

    async def sweep(self, count: int) -> float:
        """Seconds until all that are due, so many, are announced; they are due again then."""
        assert await self._lease.acquire()
        due = await self._due()
        assert len(due) == count
        begun = time.monotonic()
        await self._sweeper.run(self._lease)
        seconds = time.monotonic() - begun
        assert not await self._due()
        assert await self._database["commits"].count_documents({"pending": True}) > 0
        await self._put_back(due)
        return seconds

    async def _due(self) -> Sequence[mongo.Document]:
        now = datetime.now(UTC)
        return await self._followups.find({"next_alert": {"$lte": now}}).to_list(None)

    async def _put_back(self, due: Sequence[mongo.Document]) -> None:
        before = [ReplaceOne({"_id": document["_id"]}, document) for document in due]
        await self._followups.bulk_write(before, ordered=False)
        # No relay has come by: whatever is pending is of this sweep, its counts too.
        await self._database["commits"].delete_many({"pending": True})


async def compare(
    due: int, sizes: tuple[int, int], rounds: int, folder: Path, cache_gb: float
) -> list[dict[str, float]]:
    """Seconds by how many are stored, round by round; the sides take turns.

    A first sweep of each is not counted.
    """
    results: list[dict[str, float]] = []
    with on_a_cluster(folder, _console, cache_gb) as (cluster, progress):
        client = mongo.connect(cluster.mongodb_uri, app="bench")
        sides: dict[str, Swept] = {}
        for size in sizes:
            wanted = stock(size, verified=0, overdue=(2, 2, 6), due=due)
            await fill(cluster.mongodb_uri, f"b{size}", "civil", wanted, progress)
            sides[side(size)] = Swept(client, f"b{size}")
        for swept in sides.values():
            await swept.sweep(due)
        task = progress.add_task("", total=rounds * len(sides))
        for number in range(rounds):
            taken: dict[str, float] = {}
            for name in sorted(sides, reverse=bool(number % 2)):
                progress.update(task, description=f"round {number + 1} of {rounds}: {name}")
                taken[name] = await sides[name].sweep(due)
                progress.advance(task)
            results.append({side(size): taken[side(size)] for size in sizes})
        client.close()
    return results


def side(size: int) -> str:
    """What a side is called."""
    return f"among {size:,}"


def main(
    due: Annotated[int, typer.Option(help="Follow-ups that are due, in both.")] = 10_000,
    small: Annotated[int, typer.Option(help="Open ones among which, on one side.")] = 100_000,
    large: Annotated[int, typer.Option(help="And on the other side.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(help="Rounds; each side once a round.")] = 5,
    cache_gb: CacheGb = 4.0,
    output: Annotated[Path | None, typer.Option(help="A JSON file for the figures.")] = None,
) -> None:
    """Measure a sweep among few and among many open follow-ups that are stored."""
    with tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder:
        results = asyncio.run(compare(due, (small, large), rounds, Path(folder), cache_gb))
    title = f"Until {due:,} due are announced, s"
    _console.print(compared(title, results, side(large), side(small), ".2f"))
    _console.print(f"aim: {side(large)} at most {_TARGET} times as long")
    ratios = [taken[side(large)] / taken[side(small)] for taken in results]
    save(
        output,
        bench="sweeper",
        unit="s",
        due=due,
        small=small,
        large=large,
        rounds=[{"small": t[side(small)], "large": t[side(large)]} for t in results],
        ratios=ratios,
        at_most=_TARGET,
    )


if __name__ == "__main__":
    typer.run(main)
