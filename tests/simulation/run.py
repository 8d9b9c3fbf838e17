"""Runs the schedule of a seed, and holds what came of it against the promise."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from shared.messaging.core.errors import HistoryChanged
from shared.messaging.inbound.deadletters import OFFSET, PARTITION, TOPIC, TYPE
from tests.promise.checker import check
from tests.promise.history import (
    Arrived,
    Committed,
    Count,
    Due,
    Effect,
    History,
    Lag,
    Letter,
    Level,
    Outcome,
    Place,
    Sent,
    State,
    Told,
)
from tests.simulation.cases import LEVELS, TOLD
from tests.simulation.clocks import EPOCH
from tests.simulation.kafka.log import Entry
from tests.simulation.loop import Stuck
from tests.simulation.schedule import Schedule, drawn
from tests.simulation.service import DATABASE, GROUP, INPUT, SERVICE, TOPICS
from tests.simulation.world import World

_COLLECTED_EVERY: Final = 50
_MARKS: Final = {"FollowupAmended": "amendment", "FollowupProgressed": "note"}
_OF_ORDER: Final = {"outdated", "closed"}  # why one is refused that stands behind a later one


@dataclass(frozen=True, slots=True)
class Result:
    """What a schedule came to."""

    seed: int
    broken: tuple[str, ...]  # nothing where all is as promised
    seconds: float  # simulated
    steps: int
    crashes: tuple[str, ...]
    digest: str  # of all that came of it: the same in each run of a seed


def hush() -> None:
    """No logs: a schedule takes milliseconds, a line of a log takes one of them."""
    structlog.configure(
        processors=[],
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        cache_logger_on_first_use=True,
    )
    gc.disable()  # `play` collects what a schedule leaves
    sys.unraisablehook = lambda _: None  # what a killed process says while it is cleared away


def run(seed: int, theme: str | None = None) -> Result:
    """Run the schedule of a seed, of its own theme or of another."""
    return play(drawn(seed, theme))


def play(
    schedule: Schedule,
    options: Mapping[str, Any] | None = None,
    watched: Callable[[World], None] = lambda _: None,
) -> Result:
    """Run a schedule; `watched` is told of its world before it begins."""
    random.seed(schedule.seed)  # for the pauses between two tries
    world = World(schedule, options)
    watched(world)
    broken: list[str] = []
    try:
        world.run()
    except Stuck as stuck:
        broken.append(f"stuck: {stuck}")
    broken += [
        f"crash: {type(error).__name__}: {error}"
        for error in world.crash_errors
        if not (world.restored and isinstance(error, HistoryChanged))
    ]
    broken += [f"loop: {told}" for told in world.loop.failures]
    history = history_of(world)
    broken += [str(violation) for violation in check(history)]
    seconds, steps = world.loop.time(), world.loop.steps
    digest = hashlib.sha256(repr((seconds, steps, broken, history)).encode()).hexdigest()
    world.loop.close()
    if schedule.seed % _COLLECTED_EVERY == 0:
        gc.collect()
    return Result(schedule.seed, tuple(broken), seconds, steps, tuple(world.crashes), digest[:16])


def history_of(world: World) -> History:
    """What clients sent and were told, and what is found at rest."""
    acts = tuple(world.acts.values())
    if world.restored:  # what HTTP changed and nobody had published may be gone with the copy
        acts = tuple(
            replace(act, outcome=Outcome.UNKNOWN, version=None)
            if act.outcome is Outcome.ACKNOWLEDGED
            else act
            for act in acts
        )
    return History(
        sent=tuple(_sent(world)),
        acts=acts,
        told=tuple(_told(world)),
        arrived=tuple(
            Arrived(place, _header(entry, "ce_id"), (entry.raw.key or b"").decode())
            for place, entry in _records(world, INPUT)
            if entry.raw is not None
        ),
        committed=tuple(
            Committed(DATABASE, e["topic"], e["id"], e["aggregate_id"], e["version"])
            for record in world.documents("commits")
            for e in record["events"]
        ),
        states=tuple(
            State(DATABASE, one["_id"], one["_id"], one["version"])
            for one in world.documents("cases")
        ),
        letters=tuple(_letters(world)),
        dues=tuple(_dues(world)),
        pending=tuple(str(one["_id"]) for one in world.documents("commits") if one.get("pending")),
        lags=tuple(_lags(world)),
        counts=tuple(_counts(world)),
        most_letters=world.letters_may + 1,
    )


def _sent(world: World) -> list[Sent]:
    """What was sent; where the approval of a case may be missing, the rest of it has no must."""
    sure = {s.key for s in world.sent if s.kind == "approve" and s.outcome is Outcome.ACKNOWLEDGED}
    return [
        s
        if s.key in sure and s.key not in world.disordered
        else replace(s, effects=(), possible=s.effects, in_order=False)
        for s in world.sent
    ]


def _records(world: World, topic: str) -> list[tuple[Place, Entry]]:
    found = []
    for partition in world.brokers.topics[topic]:
        entries, _ = partition.read(partition.start, 1_000_000, committed=True)
        found += [(Place(topic, partition.number, offset), entry) for offset, entry in entries]
    return found


def _header(entry: Entry, name: str) -> str:
    assert entry.raw is not None
    return dict(entry.raw.headers).get(name, b"").decode()


def _told(world: World) -> list[Told]:
    told = []
    for place, entry in _records(world, TOLD):
        assert entry.raw is not None
        type_ = _header(entry, "ce_type").split(".")[1]
        data = json.loads(entry.raw.value or b"{}")
        about = data["followup_id"]
        effect = level = None
        if type_ == "FollowupOverdue":
            level = Level(about, data["due_on"], data["level"])
        else:
            effect = Effect(type_, about, data.get(_MARKS.get(type_, ""), ""))
        told.append(
            Told(
                place=place,
                id=_header(entry, "ce_id"),
                type=type_,
                key=(entry.raw.key or b"").decode(),
                aggregate=_header(entry, "ce_subject"),
                version=int(_header(entry, "ce_sequence")),
                effect=effect,
                level=level,
                content=(entry.raw.value or b"").decode(),
            )
        )
    return told


def _letters(world: World) -> list[Letter]:
    """The dead letters, without those of a client that had sent again in another order."""
    letters = []
    for _, entry in _records(world, TOPICS.deadletter(SERVICE)):
        assert entry.raw is not None
        reason, case = _header(entry, TYPE), (entry.raw.key or b"").decode()
        if reason in _OF_ORDER and case in world.disordered:
            continue
        topic, numbers = _header(entry, TOPIC), (_header(entry, PARTITION), _header(entry, OFFSET))
        letters.append(Letter(Place(topic, *map(int, numbers)), reason))
    return letters


def _dues(world: World) -> list[Due]:
    opened = {s.key for s in world.sent if s.kind == "approve" and s.outcome is not Outcome.ABORTED}
    certain = {
        s.key for s in world.sent if s.kind == "approve" and s.outcome is Outcome.ACKNOWLEDGED
    }
    closed = {s.key for s in world.sent if s.kind == "withdraw"}
    dues: dict[Level, Due] = {}
    for send in world.schedule.sends:
        for item in send.items:
            if item.kind == "approve" and item.due is not None and item.case in opened:
                due_on = (EPOCH + timedelta(seconds=item.due)).date().isoformat()
                must = item.case in certain and item.case not in closed
                for number in range(1, LEVELS + 1):
                    level = Level(item.case, due_on, number)
                    dues[level] = Due(level, must=must)
    return list(dues.values())


def _lags(world: World) -> list[Lag]:
    lags = []
    group = world.brokers.group(GROUP)
    for place in world.inputs():
        partition = world.brokers.partition(place)
        behind = partition.stable - group.offsets.get(place, 0)
        lags.append(Lag(GROUP, place.topic, place.partition, behind, "Kafka's committed offset"))
    return lags


def _counts(world: World) -> list[Count]:
    told = sum(
        one["n"].get("events", 0) for one in world.documents("counts") if "|all|" in one["_id"]
    )
    counted = sum(len(one["events"]) for one in world.documents("commits"))
    return [Count("all", "events", told, counted)]


def instant() -> int:
    """A number that no run before had: the milliseconds of now."""
    return int(datetime.now(UTC).timestamp() * 1000)


__all__ = ["Result", "hush", "instant", "play", "run"]
