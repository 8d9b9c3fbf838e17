"""`python -m tests.bench.tokens`: what tokens and narrowing cost a list, in one run.

One service believes headers, another checks tokens; both read the same database. A round asks each
in turn: everything as coordination, and what is their own as a province.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Final

import httpx
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.cluster import Cluster
from deploy.local.layout import local_dir
from tests.bench.sides import a_name
from tests.component.harness import Producer, Service, create_topics, eventually
from tests.identity.issuer import AUDIENCE, Issuer

_console = Console()

_FOLLOWUPS: Final = 600
_PROVINCES: Final = ("IR-09", "IR-10", "IR-11")
_AT_ONCE: Final = 8
_PATH: Final = "/v1/followups?limit=50&sort=due_on"


@dataclass(frozen=True, slots=True)
class Asked:
    """How one round went: requests a second, and seconds of the slowest hundredth."""

    rate: float
    p99: float


async def ask(http: httpx.AsyncClient, headers: Mapping[str, str], requests: int) -> Asked:
    """Ask for the list again and again, eight at a time."""
    took: list[float] = []

    async def some() -> None:
        for _ in range(requests // _AT_ONCE):
            begun = time.perf_counter()
            answer = await http.get(_PATH, headers=headers)
            answer.raise_for_status()
            took.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    return Asked(len(took) / (time.perf_counter() - begun), quantiles(took, n=100)[-1])


async def fill(cluster: Cluster, service: Service, topic: str) -> None:
    """Follow-ups of three provinces, as an integrator approves them."""
    async with Producer(cluster) as producer:
        for n in range(_FOLLOWUPS):
            approved = {
                "resolution_id": f"R-{n}",
                "deputy": "civil",
                "title": "تکمیل پل روستای سرآسیاب",
                "approved_at": "2026-11-24T10:00:00+03:30",
                "due_on": f"203{n % 9}-02-01",
                "province": _PROVINCES[n % 3],
            }
            await producer.event(topic, "ResolutionApproved", approved, key=f"R-{n}", id_=f"R-{n}")

    async def followed() -> bool:
        return len(await service.items("/v1/followups")) == _FOLLOWUPS

    await eventually(followed, 120, "all being followed")


async def compare(cluster: Cluster, folder: Path, rounds: int, requests: int) -> None:
    """Run the rounds and print the table."""
    namespace = a_name()
    topics = await asyncio.to_thread(create_topics, cluster, namespace)
    with Issuer() as issuer:
        provider = {"PEYGIR_OIDC_ISSUER": issuer.url, "PEYGIR_OIDC_AUDIENCE": AUDIENCE}
        only = {"PEYGIR_DEPUTIES": "civil", "PEYGIR_RATE_PER_SECOND": "0"}
        plain = Service("followups", cluster, namespace, folder, **only)
        secured = Service(
            "followups", cluster, namespace, folder, PEYGIR_RUN="api", **only, **provider
        )
        async with plain, secured:
            await fill(cluster, plain, topics.resolutions("civil"))
            sides = {
                "headers, coordination": (plain.http, by_headers("coordination")),
                "token, coordination": (secured.http, by_token(issuer, "coordination")),
                "headers, a province": (plain.http, by_headers("province:IR-09")),
                "token, a province": (secured.http, by_token(issuer, "province:IR-09")),
            }
            found: dict[str, list[Asked]] = {name: [] for name in sides}
            for n in range(rounds + 1):
                for name, (http, headers) in sides.items():
                    asked = await ask(http, headers, requests)
                    found[name] += [asked] if n else []  # the first round only warms up
                _console.print(f"round {n} of {rounds}")
    _show(found)


def by_headers(role: str) -> Mapping[str, str]:
    """Somebody whom the open identity believes."""
    return {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": role}


def by_token(issuer: Issuer, role: str) -> Mapping[str, str]:
    """Somebody with a token."""
    return {"Authorization": f"Bearer {issuer.token('c.ahmadi', [role])}"}


def _show(found: Mapping[str, list[Asked]]) -> None:
    table = Table(title="a list of 50 follow-ups, eight requests at a time, medians")
    for head in ("who asks", "requests/s", "p99 (ms)"):
        table.add_column(head, justify="left" if head == "who asks" else "right")
    for name, rounds in found.items():
        rate, p99 = median(one.rate for one in rounds), median(one.p99 for one in rounds)
        table.add_row(name, f"{rate:,.0f}", f"{1_000 * p99:.0f}")
    _console.print(table)
    for who in ("coordination", "a province"):
        pairs = zip(found[f"token, {who}"], found[f"headers, {who}"], strict=True)
        ratio = median(token.rate / headers.rate for token, headers in pairs)
        _console.print(f"requests/s with tokens to without, {who}: {ratio:.2f}")


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count.")] = 5,
    requests: Annotated[int, typer.Option(min=80, help="Requests per side and round.")] = 800,
) -> None:
    """Compare a list with and without tokens."""
    local = local_dir(os.environ)
    local.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=local) as folder,
        Cluster(Path(folder), local / "cache") as cluster,
    ):
        asyncio.run(compare(cluster, Path(folder), rounds, requests))


if __name__ == "__main__":
    typer.run(main)
