"""`python -m tests.bench.chain`: what the hash chains cost, with and without them in turn.

Ingest: approvals become follow-ups in the real service. Changes: second events of aggregates that
another process has begun, in batches as large as a sweep's, so that no hash is remembered. Figures
of one machine wander; the ratios of a round are the figure.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final
from unittest.mock import patch

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from deploy.local.processes import Command
from shared.contracts.topics import Topics
from shared.messaging.core.model import CommitContext, Effects, Event
from shared.messaging.ledger import ledger as ledgers
from shared.messaging.ledger.chain import Heads
from shared.messaging.ledger.ledger import Ledger
from shared.runtime import mongo
from shared.runtime.clocks import SystemMachineClock
from tests.bench.events import approvals, until_out
from tests.bench.screen import on_a_cluster
from tests.bench.sides import Events, _rate, a_name
from tests.bench.turns import SPREAD
from tests.component.harness import Service
from tests.stores.outbox import NOW, TOPIC

_console = Console()

_BATCH: Final = 500
_CAUSE: Final = CommitContext("clock", "sweeper")
_WITHOUT: Final = "without-chains"


@contextmanager
def without_chains() -> Iterator[None]:
    """Commits neither look up nor compute hashes, and store none."""

    async def nothing(*_: object) -> dict[str, Any]:
        return {}

    with (
        patch.object(ledgers, "chained", lambda *_: []),
        patch.object(Heads, "before", nothing),
    ):
        yield


class Variant(Service):
    """The service with or without chains."""

    chains = True

    def launch(self, **environment: str) -> None:
        if self.chains:
            super().launch(**environment)
            return
        variables = {**os.environ, **self.environment, **environment}
        arguments = (sys.executable, "-m", "tests.bench.chain", _WITHOUT)
        self._process = self._starter.start(
            Command(arguments, PROJECT, variables), self._log, self._pid_file
        )


async def ingest(cluster: Cluster, folder: Path, events: Events, *, chains: bool) -> float:
    """Events a second of the whole service."""
    namespace = a_name()
    cluster.create_topics({"PEYGIR_NAMESPACE": namespace})
    topics = Topics(("civil",), namespace)
    settings = {"PEYGIR_DEPUTIES": "civil", "PEYGIR_LEASE_SECONDS": "5"}
    service = Variant("followups", cluster, namespace, folder, **settings)
    service.chains = chains
    async with service:
        await service.reads()
        until = partial(until_out, cluster.bootstrap, topics.followups("civil"))
        return await _rate(cluster, topics.resolutions("civil"), until, events)


async def changes(cluster: Cluster, count: int, *, chains: bool) -> float:
    """Events a second of second versions, in the database alone."""
    client, name = mongo.connect(cluster.mongodb_uri, app="bench"), a_name()
    database = mongo.database(client, name)
    try:
        first = Ledger(database, clock=SystemMachineClock())
        await first.prepare()
        for batch in _batches(count, 1):
            async with first.commit(_CAUSE, Effects(batch)):
                pass
        later = Ledger(database, clock=SystemMachineClock())
        begun = time.monotonic()
        for batch in _batches(count, 2):
            if chains:
                async with later.commit(_CAUSE, Effects(batch)):
                    pass
            else:
                with without_chains():
                    async with later.commit(_CAUSE, Effects(batch)):
                        pass
        return count / (time.monotonic() - begun)
    finally:
        await client.drop_database(name)
        client.close()


def _batches(count: int, version: int) -> Iterator[Sequence[Event]]:
    """Events of that version; the second ones of a batch come from as many records as there are."""
    numbers = list(range(count))
    if version == 2:
        records = max(1, count // _BATCH)
        numbers = [n for start in range(records) for n in range(start, count, records)]
    for start in range(0, count, _BATCH):
        yield [
            Event(
                id=f"{number}-{version}",
                type="peygir.FollowupOverdue.v1",
                topic=TOPIC,
                key=str(number),
                aggregate_id=str(number),
                version=version,
                time=NOW,
                dataschema="x",
                data=b"x" * 700,
            )
            for number in numbers[start : start + _BATCH]
        ]


async def compare(rounds: int, count: int, folder: Path) -> Table:
    """The rates of both, round by round, on one cluster."""
    rates: dict[str, list[tuple[float, float]]] = {"ingest": [], "changes": []}
    with on_a_cluster(folder, _console) as (cluster, progress):
        task = progress.add_task("", total=rounds * 2)
        for number in range(rounds):
            events, found = approvals(count), {}
            order = (True, False) if number % 2 else (False, True)
            for chains in order:
                progress.update(task, description=f"round {number + 1}: ingest")
                found["ingest", chains] = await ingest(cluster, folder, events, chains=chains)
            progress.advance(task)
            for chains in order:
                progress.update(task, description=f"round {number + 1}: changes")
                found["changes", chains] = await changes(cluster, count, chains=chains)
            progress.advance(task)
            for what, pairs in rates.items():
                pairs.append((found[what, True], found[what, False]))
                _console.print(
                    f"round {number + 1}: {what} {found[what, True]:,.0f}/s with chains, "
                    f"{found[what, False]:,.0f}/s without"
                )
    return _table(rates)


def _table(rates: dict[str, list[tuple[float, float]]]) -> Table:
    table = Table(title="Hash chains: with : without")
    for head in ("", "median", "least", "most"):
        table.add_column(head, justify="right" if head else "left")
    for what, pairs in rates.items():
        ratios = [chained / plain for chained, plain in pairs]
        table.add_row(what, *(f"{f(ratios):.2f}" for f in SPREAD))
    return table


def main(
    rounds: Annotated[int, typer.Option(help="Rounds; each side once a round.")] = 5,
    events: Annotated[int, typer.Option(help="Events a round and side.")] = 20_000,
) -> None:
    """Measure ingest and changes with and without the hash chains."""
    with tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder:
        _console.print(asyncio.run(compare(rounds, events, Path(folder))))


if __name__ == "__main__":
    if sys.argv[1:] == [_WITHOUT]:
        from services.followups.__main__ import main as service

        with without_chains():
            service()
    else:
        typer.run(main)
