"""What benchmarks on stored follow-ups share: a service on them, and a table of both sides."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from deploy.local.cluster import Cluster
from tests.component.harness import Service

SPREAD: Final = (statistics.median, min, max)


@asynccontextmanager
async def serving(
    cluster: Cluster, folder: Path, namespace: str, *deputies: str
) -> AsyncIterator[Service]:
    """The service of these deputies on what is stored, in one process that has its partitions.

    It takes its leave, so that whoever comes next need not wait for the end of its leases.
    """
    settings = {
        "PEYGIR_DEPUTIES": ",".join(deputies),
        "PEYGIR_LEASE_SECONDS": "5",
        "PEYGIR_SWEEP_SECONDS": "1",
    }
    async with Service("followups", cluster, namespace, folder, **settings) as service:
        await service.reads()
        yield service
        assert await asyncio.to_thread(service.stop), "the service did not end within its grace"


def compared(
    title: str, rounds: Sequence[Mapping[str, float]], over: str, under: str, form: str
) -> Table:
    """A table of each side's figures over the rounds, and of the ratio of two of them."""
    table = Table(title=title)
    for head in ("", "median", "least", "most"):
        table.add_column(head, justify="right" if head else "left")
    for name in rounds[0]:
        figures = [figures[name] for figures in rounds]
        table.add_row(name, *(format(f(figures), form) for f in SPREAD))
    ratios = [figures[over] / figures[under] for figures in rounds]
    told = (f"{f(ratios):.2f}" for f in SPREAD)
    table.add_section()
    table.add_row(f"{over} : {under}", *told, style="bold")
    return table


def save(output: Path | None, **found: Any) -> None:
    """Write what was found as one JSON document, where that is wanted."""
    if output is not None:
        output.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
