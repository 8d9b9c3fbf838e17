"""`python -m tests.faults.replicated`: a run of its own, with as many events and faults as wanted.

Where a law is broken, history and logs stay in the local folder; `--check` holds a history to the
laws again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pytest
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.cluster import Cluster, Name
from deploy.local.layout import local_dir
from tests.faults.replicated.arena import small_disks
from tests.faults.replicated.faults import FAULTS, ON_DISKS
from tests.faults.replicated.run import Plan, Report, arena, run
from tests.faults.replicated.table import show
from tests.local.disk import Disk
from tests.promise.checker import check
from tests.promise.history import read, write

console = Console()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    seed: Annotated[int, typer.Option(help="Draws stories, faults and their victims.")] = 1402,
    events: Annotated[int, typer.Option(help="Records to send, at least.")] = 5_000,
    rate: Annotated[float, typer.Option(help="Records a second.")] = 60,
    faults: Annotated[
        str, typer.Option(help="Names with commas between, `all` or `none`.")
    ] = "all",
    times: Annotated[int, typer.Option(help="How often each fault strikes.")] = 1,
    history: Annotated[Path | None, typer.Option("--check", help="Only check this file.")] = None,
) -> None:
    """Let parts of a replicated installation fail under load, and check what came of it."""
    if history is not None:
        violations = check(read(history))
        for violation in violations:
            console.print(str(violation), markup=False, highlight=False)
        raise typer.Exit(bool(violations))
    local = local_dir(os.environ)
    folder = local / f"faults-{os.getpid()}"
    kept = local / f"faults-of-seed-{seed}"
    shutil.rmtree(kept, ignore_errors=True)
    try:
        report = _run(folder, local, Plan(seed, events, rate, _chosen(faults), times))
        show(report, console)
        if not report.ok:
            kept.mkdir()
            write(report.history, kept / "history.jsonl")
            for log in folder.rglob("*.log"):
                shutil.copy(log, kept)
            console.print(f"history and logs are in {kept}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(not report.ok)


def _chosen(names: str) -> list[str]:
    if names == "none":
        return []
    wanted = list(FAULTS) if names == "all" else [name.strip() for name in names.split(",")]
    unknown = sorted(set(wanted) - set(FAULTS))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; there are: {', '.join(FAULTS)}")
    return wanted


def _run(folder: Path, local: Path, plan: Plan) -> Report:
    with ExitStack() as stack:
        disks: Mapping[Name, Disk] = {}
        if ON_DISKS & set(plan.faults):
            try:
                disks = stack.enter_context(small_disks(folder / "disks"))
            except pytest.skip.Exception as why:
                raise typer.BadParameter(str(why)) from None
        data_on = {name: disk.folder for name, disk in disks.items()}
        console.print("three brokers and three members are starting")
        cluster = stack.enter_context(
            Cluster(folder / "cluster", local / "cache", nodes=3, proxied=True, data_on=data_on)
        )
        bar = stack.enter_context(
            Progress(
                TextColumn("{task.description:40}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=console,
            )
        )
        total = 2 * len(plan.faults) * plan.times + 1
        task = bar.add_task("starting", total=total)
        steps = iter(range(1, total + 1))

        def say(what: str, sent: int) -> None:
            told = f"{datetime.now(UTC):%H:%M:%S} {what}, {sent:,} sent"
            bar.update(task, description=told, completed=next(steps))
            if not console.is_terminal:
                console.print(told)

        async def all_of_it() -> Report:
            async with arena(cluster, "faults", folder, disks) as where:
                return await run(where, plan, say)

        return asyncio.run(all_of_it())


if __name__ == "__main__":
    app()
