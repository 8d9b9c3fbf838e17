"""`python -m tests.bench.lists`: how long people wait for lists and scorecards of what is stored.

One deputy has most, all others have some, over three years of days. Each question is asked of the
running service again and again, by one who waits for each answer; a list that misses its aim is
explained by MongoDB.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import httpx
import typer
from pymongo import MongoClient
from rich.console import Console
from rich.table import Table

from services.followups.store.indexes import OVERDUE
from services.followups.store.lists import filter_of
from shared.contracts.reference import DEPUTIES
from shared.runtime.calendar import tehran_date
from shared.runtime.mongo import Document
from tests.bench.latency import percentile
from tests.bench.lives import DAYS, stock
from tests.bench.screen import CacheGb, on_a_cluster
from tests.bench.stored import fill
from tests.bench.turns import save, serving

_console = Console()

_NAMESPACE: Final = "b"
_DEPUTY: Final = "civil"
_LIST_MS: Final = 30.0
_TODAY_MS: Final = 50.0
_PAST_MS: Final = 2_000.0

Parameters: TypeAlias = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and within how many milliseconds 95 of 100 answers shall be there."""

    path: str
    parameters: Parameters = field(default_factory=dict)
    aim: float | None = None
    pages: bool = False  # each request asks for the page behind the one before
    days: bool = False  # each request asks for another past day

    @property
    def told(self) -> str:
        """For people; an arrow stands for the pages behind the first."""
        left_out = {"deputy", "limit"}
        asked = [f"{name}={v}" for name, v in self.parameters.items() if name not in left_out]
        if self.days:
            asked.append("as_of=…")
        return " ".join([Path(self.path).name, *asked, *("→" if self.pages else "")])


def questions(limit: int) -> Iterator[Question]:
    """Whatever is asked; lists by pages of so many items."""
    of_all: Parameters = {"deputy": _DEPUTY, "limit": limit}
    yield Question("/v1/followups", of_all)
    yield Question("/v1/followups", of_all, pages=True)
    overdue: Sequence[Parameters] = (
        {"overdue": "true"},
        {"level": 1},
        {"level": 3},
        {"state": "in-progress", "level": 2},
        {"province": "IR-09", "level": 1},
    )
    for fields in overdue:
        yield Question("/v1/followups", {**of_all, **fields}, _LIST_MS)
        yield Question("/v1/followups", {**of_all, **fields}, _LIST_MS, pages=True)
    sorted_by: Sequence[Parameters] = (
        {"sort": "due_on"},
        {"sort": "-days_overdue"},
        {"sort": "-changed_at"},
        {"sort": "due_on", "state": "in-progress", "province": "IR-09"},
    )
    for fields in sorted_by:
        yield Question("/v1/followups", {**of_all, **fields}, _LIST_MS)
        yield Question("/v1/followups", {**of_all, **fields}, _LIST_MS, pages=True)
    yield Question("/v1/scorecards", aim=_TODAY_MS)
    yield Question("/v1/scorecards", {"by": "province"}, _TODAY_MS)
    yield Question("/v1/scorecards", aim=_PAST_MS, days=True)
    yield Question("/v1/scorecards", {"by": "province"}, _PAST_MS, days=True)


async def ask(http: httpx.AsyncClient, question: Question, requests: int) -> list[float]:
    """Milliseconds of each answer, sorted; none where there are no further pages.

    A first answer is not counted, nor are the first pages between those behind them.
    """
    chance = random.Random(question.told)
    taken: list[float] = []
    cursor: str | None = None
    for number in range(requests + 1):
        if question.pages and cursor is None:
            cursor = (await _answer(http, question, {}))[1]["next_cursor"]
            if cursor is None:
                return []
        further: dict[str, str] = {}
        if cursor is not None:
            further["cursor"] = cursor
        if question.days:
            today = tehran_date(datetime.now(UTC))
            further["as_of"] = f"{today - timedelta(days=chance.randint(1, DAYS))}"
        milliseconds, answer = await _answer(http, question, further)
        if question.pages:
            cursor = answer["next_cursor"]
        if number:
            taken.append(milliseconds)
    return sorted(taken)


async def _answer(
    http: httpx.AsyncClient, question: Question, further: Mapping[str, str]
) -> tuple[float, dict[str, Any]]:
    begun = time.perf_counter()
    answer = await http.get(question.path, params={**question.parameters, **further})
    taken = round(1_000 * (time.perf_counter() - begun), 1)
    answer.raise_for_status()
    return taken, answer.json()


def explained(uri: str, question: Question) -> str:
    """How MongoDB finds the first page of a list by id: its plan, and what it looks at for it."""
    asked = {k: v for k, v in question.parameters.items() if k not in {"deputy", "limit"}}
    fields = {name: True if value == "true" else value for name, value in asked.items()}
    limit = int(question.parameters["limit"]) + 1
    with MongoClient[Document](uri, directConnection=True) as client:
        stored = client[f"{_NAMESPACE}followups_{_DEPUTY}"]["followups"]
        wanted = filter_of({name: (value,) for name, value in fields.items()})
        finding = stored.find(wanted).sort("_id", 1).limit(limit)
        if fields == {"overdue": True}:
            finding = finding.hint(OVERDUE)
        found = finding.explain()
    plan, stages = found["queryPlanner"]["winningPlan"], []
    while plan is not None:
        stages.append(" ".join([plan["stage"], *filter(None, [plan.get("indexName")])]))
        plan = plan.get("inputStage")
    stats = found["executionStats"]
    return (
        f"{' ← '.join(stages)}; {stats['totalDocsExamined']:,} documents and "
        f"{stats['totalKeysExamined']:,} keys for {stats['nReturned']:,}, "
        f"{stats['executionTimeMillis']:,} ms"
    )


@dataclass(frozen=True, slots=True)
class Waited:
    """How long was waited for the answers to a question."""

    question: Question
    milliseconds: list[float]  # of each answer, sorted
    plan: str | None  # of a list, how MongoDB finds its first page

    @property
    def p95(self) -> float:
        return percentile(self.milliseconds, 0.95)

    @property
    def is_late(self) -> bool:
        """Whether the aim is missed."""
        return self.question.aim is not None and self.p95 > self.question.aim

    def written(self) -> dict[str, Any]:
        """For a JSON document."""
        asked = self.question
        figures = {"aim_p95": asked.aim, "late": self.is_late, "milliseconds": self.milliseconds}
        return {"question": asked.told, **figures, "plan": self.plan}


async def measure(
    stored: int, others: int, requests: int, limit: int, folder: Path, cache_gb: float
) -> list[Waited]:
    """Ask everything; what has no further pages is left out."""
    found: list[Waited] = []
    with on_a_cluster(folder, _console, cache_gb) as (cluster, progress):
        cluster.create_topics({"PEYGIR_NAMESPACE": _NAMESPACE})
        deputies = [deputy.id for deputy in DEPUTIES]
        for deputy in deputies:
            wanted = stock(stored if deputy == _DEPUTY else others)
            await fill(cluster.mongodb_uri, _NAMESPACE, deputy, wanted, progress)
        asked = list(questions(limit))
        task = progress.add_task("", total=len(asked))
        async with serving(cluster, folder, _NAMESPACE, *deputies) as service:
            for question in asked:
                progress.update(task, description=question.told)
                taken = await ask(service.http, question, requests)
                is_by_id = "limit" in question.parameters and "sort" not in question.parameters
                plan = explained(cluster.mongodb_uri, question) if is_by_id else None
                if taken:
                    found.append(Waited(question, taken, plan))
                progress.advance(task)
    return found


def table_of(found: Sequence[Waited], requests: int) -> Table:
    """What was waited, and against what was aimed at."""
    table = Table(title=f"From asking to the whole answer, ms, of {requests} requests each")
    for head in ("", "p50", "p95", "p99", "aim of p95", "p95 : aim"):
        table.add_column(head, justify="right" if head else "left")
    for one in found:
        shares = (0.5, 0.95, 0.99)
        figures = [f"{percentile(one.milliseconds, share):,.1f}" for share in shares]
        aim = one.question.aim
        against = ("", "") if aim is None else (f"{aim:,.0f}", f"{one.p95 / aim:.2f}")
        style = "bold red" if one.is_late else None
        table.add_row(one.question.told, *figures, *against, style=style)
    return table


def main(
    stored: Annotated[int, typer.Option(help="Follow-ups of the deputy who is asked for.")] = (
        1_000_000
    ),
    others: Annotated[int, typer.Option(help="Follow-ups of each other deputy.")] = 10_000,
    requests: Annotated[int, typer.Option(help="Requests a question.")] = 300,
    limit: Annotated[int, typer.Option(help="Items of a page.")] = 50,
    cache_gb: CacheGb = 4.0,
    output: Annotated[Path | None, typer.Option(help="A JSON file for the figures.")] = None,
) -> None:
    """Measure how long lists and scorecards take to answer; an arrow: the pages behind the
    first."""
    with tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder:
        found = asyncio.run(measure(stored, others, requests, limit, Path(folder), cache_gb))
    _console.print(table_of(found, requests))
    for one in found:
        if one.is_late and one.plan is not None:
            _console.print(f"{one.question.told}\n    {one.plan}")
    save(
        output,
        bench="lists",
        unit="ms",
        stored=stored,
        others=others,
        requests=requests,
        questions=[one.written() for one in found],
    )


if __name__ == "__main__":
    typer.run(main)
