"""`python -m tests.bench`: how fast approvals become follow-ups, against the peers, in one run.

A round floods each side, in turn, with the same events while its processes run, and takes the time
from the first event sent to the last effect. Figures of one machine wander; the ratios of a round
are the figure.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from tests.bench import peer, sides
from tests.bench.events import approvals
from tests.bench.picture import dots
from tests.bench.screen import on_a_cluster
from tests.bench.sides import Side
from tests.bench.turns import SPREAD

_console = Console()

OURS: Final[Mapping[str, Side]] = {
    "followups": sides.peygir,
    "followups, relay apart": sides.peygir_apart,
    "followups, two replicas": sides.peygir_twice,
}
PEERS: Final[Mapping[str, Side]] = {
    "bare aiokafka + pydantic + motor": sides.bare,
    "Kafka Connect, state alone": sides.connect,
}


async def compare(
    rounds: int, count: int, folder: Path, chosen: Mapping[str, Side]
) -> list[Mapping[str, float]]:
    """The rates of all sides, round by round, on one cluster."""
    results: list[Mapping[str, float]] = []
    with on_a_cluster(folder, _console) as (cluster, progress):
        task = progress.add_task("", total=rounds * len(chosen))
        for number in range(rounds):
            events = approvals(count)
            rates: dict[str, float] = {}
            for name in _turn(list(chosen), number):
                progress.update(task, description=f"round {number + 1} of {rounds}: {name}")
                rates[name] = await chosen[name](cluster, folder, events)
                progress.advance(task)
            results.append(rates)
            told = ", ".join(f"{name} {rates[name]:,.0f}/s" for name in chosen)
            _console.print(f"round {number + 1} of {rounds}: {told}")
    return results


def _turn(names: list[str], number: int) -> Iterator[str]:
    """Who goes first takes turns."""
    first = number % len(names)
    yield from names[first:] + names[:first]


def table_of(results: list[Mapping[str, float]]) -> Table:
    """Rates, and each of ours against each peer by the ratios of the rounds."""
    table = Table(title="Ingest: event in Kafka → follow-up in MongoDB and FollowupOpened in Kafka")
    for head in ("", "median", "least", "most"):
        table.add_column(head, justify="right" if head else "left")
    for name in results[0]:
        rates = [rates[name] for rates in results]
        table.add_row(f"{name}, events/s", *(f"{f(rates):,.0f}" for f in SPREAD))
    table.add_section()
    for ours in OURS:
        for other in PEERS:
            if other in results[0]:
                ratios = [rates[ours] / rates[other] for rates in results]
                told = (f"{f(ratios):.2f}" for f in SPREAD)
                table.add_row(f"{ours} : {other}", *told, style="bold")
    return table


def main(
    rounds: Annotated[int, typer.Option(help="Rounds; each side once a round.")] = 5,
    events: Annotated[int, typer.Option(help="Events a round and side.")] = 40_000,
    connect: Annotated[bool, typer.Option(help="Kafka Connect too; Maven fetches it.")] = True,
    picture: Annotated[Path | None, typer.Option(help="An SVG file to draw the rounds in.")] = None,
) -> None:
    """Measure ingest against a bare loop and Kafka Connect.

    The bare loop writes state and event, and relays it, without transaction, history or dead
    letters. Kafka Connect's sink of MongoDB upserts the state alone.
    """
    chosen = {**OURS, **PEERS}
    if connect:
        try:
            peer.install()
        except peer.NoConnect as error:
            raise typer.BadParameter(f"{error}\nor leave it out: --no-connect") from None
    else:
        chosen = {name: side for name, side in chosen.items() if side is not sides.connect}
    with tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder:
        results = asyncio.run(compare(rounds, events, Path(folder), chosen))
    _console.print(table_of(results))
    if picture is not None:
        picture.write_bytes(dots("Ingest: what each round reached", "events/s", results))


if __name__ == "__main__":
    typer.run(main)
