"""On what benchmarks run, and how they show that they go on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.cluster import Cluster
from deploy.local.layout import local_dir
from deploy.local.mongod import CACHE_GB

CacheGb: TypeAlias = Annotated[float, typer.Option(help="MongoDB's cache, GB.")]


@contextmanager
def on_a_cluster(
    folder: Path, console: Console, cache_gb: float = CACHE_GB
) -> Iterator[tuple[Cluster, Progress]]:
    """Kafka and MongoDB in a folder, and a bar for what is done on them."""
    cache = local_dir(os.environ) / "cache"
    with (
        Cluster(folder / "cluster", cache, mongod_cache_gb=cache_gb) as cluster,
        _progress_on(console) as progress,
    ):
        yield cluster, progress


def _progress_on(console: Console) -> Progress:
    """A bar that says what is done, how much of it, and for how long; gone at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
