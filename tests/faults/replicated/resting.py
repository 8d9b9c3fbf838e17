"""What a system at rest holds, all of it, as a history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Final

import httpx
from aiokafka.errors import KafkaError

from tests.component.harness import Service
from tests.faults import reading
from tests.faults.replicated.arena import Arena, off
from tests.faults.replicated.stories import TAKER
from tests.promise.history import Act, Count, Due, History, Lag, Outcome, Sent, State

REST_SECONDS: Final = 120.0

_POLL_SECONDS: Final = 0.3


async def rest(where: Arena, seconds: float = REST_SECONDS) -> float | None:
    """Seconds until nothing is left to do; None where something is, after so long."""
    begun = time.monotonic()
    with databases(where) as held:
        async with reading.Offsets(where.cluster.bootstrap) as offsets:
            while (passed := time.monotonic() - begun) < seconds:
                pending = await off(lambda: list(held.pending()))
                waiting = bool(pending) or await off(held.waiting) > 0
                if not waiting and not _behind(await lags(where, offsets)):
                    return passed
                await asyncio.sleep(_POLL_SECONDS)
    return None


async def history(
    where: Arena, sent: Sequence[Sent], acts: Iterable[Act] = (), dues: Iterable[Due] = ()
) -> History:
    """Read it all. A level whose approval is not known to be there may be missing."""
    bootstrap = where.cluster.bootstrap
    told = tuple(reading.told(await off(reading.everything, bootstrap, list(where.deputies))))
    came = tuple(reading.arrived(await off(reading.everything, bootstrap, where.inputs)))
    dead = await off(reading.everything, bootstrap, [where.topics.deadletter("followups")])
    with databases(where) as held:
        committed = await off(lambda: tuple(held.committed()))
        states = await off(lambda: tuple(held.states()))
        pending = await off(lambda: tuple(held.pending()))
    async with reading.Offsets(bootstrap) as offsets:
        behind = await lags(where, offsets)
    counted = reading.cards(told, where.deputies, TAKER)
    return History(
        sent=tuple(sent),
        acts=tuple(acts),
        told=told,
        arrived=came,
        committed=committed,
        states=states,
        shown=await _shown(where.services[0], where.served),
        letters=tuple(reading.letters(dead, where.inputs)),
        dues=_sure(dues, sent),
        pending=pending,
        lags=tuple(behind),
        counts=tuple(await _counts(where.services[-1], where.served, counted)),
    )


async def lags(where: Arena, offsets: reading.Offsets) -> list[Lag]:
    """By Kafka's word and by the services' own; empty where one could not be asked."""
    try:
        found = await offsets.lags(where.groups)
        for number, service in enumerate(where.services):
            metrics = (await service.http.get("/metrics")).text
            for group, topics in where.groups.items():
                found += reading.shown_lags(metrics, topics, group, f"metric of {number}")
    except (KafkaError, httpx.HTTPError):
        return []
    return found


@contextmanager
def databases(where: Arena) -> Iterator[reading.Databases]:
    """The deputies' databases, to be read."""
    held = reading.Databases(where.cluster.mongodb_uri, where.databases)
    try:
        yield held
    finally:
        held.close()


def _behind(found: Sequence[Lag]) -> bool:
    return not found or any(lag.behind for lag in found)


def _sure(dues: Iterable[Due], sent: Iterable[Sent]) -> tuple[Due, ...]:
    opened = {
        effect.about
        for one in sent
        if one.outcome is Outcome.ACKNOWLEDGED
        for effect in one.effects
        if effect.type == "FollowupOpened"
    }
    return tuple(due if due.level.about in opened else replace(due, must=False) for due in dues)


async def _shown(service: Service, served: Sequence[str]) -> tuple[State, ...]:
    items = [await service.items("/v1/followups", deputy=deputy) for deputy in served]
    return tuple(
        State("api", item["followup_id"], item["resolution_id"], item["version"])
        for item in chain.from_iterable(items)
    )


async def _counts(
    service: Service, served: Sequence[str], counted: Mapping[str, Mapping[str, int]]
) -> list[Count]:
    """What the scorecards tell of each deputy, beside what the topics give."""
    answer = await service.http.get("/v1/scorecards")
    found: list[Count] = []
    for card in answer.raise_for_status().json()["items"]:
        if card["id"] in served:
            own = counted.get(card["id"], {})
            names = ("total", "open", "verified", "overdue", "in_time")
            says = {**{name: card[name] for name in names}, **card["overdue_by_level"]}
            found += [Count(card["id"], name, n, own.get(name, 0)) for name, n in says.items()]
    return found
