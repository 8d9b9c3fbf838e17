"""A history that keeps the promise, and ways to break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.promise.history import (
    Act,
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
from tests.promise.violations import Kind

IN, OUT = "resolutions", "followups"
OPENED = Effect("Opened", "r-1")
AMENDED = Effect("Amended", "r-1", "a-1")
AGAIN = Effect("Amended", "r-1", "a-2")
PROGRESSED = Effect("Progressed", "r-1", "note")


def sent(id_: str, offset: int, *effects: Effect, **others: Any) -> Sent:
    place = Place(IN, 0, offset)
    return Sent(id_, IN, "r-1", Outcome.ACKNOWLEDGED, place, effects, **others)


def told(version: int, effect: Effect | None = None, **others: Any) -> Told:
    """The event of that version of the one aggregate, at the offset of its version."""
    id_ = others.pop("id", f"e-{version}")
    type_ = effect.type if effect else "Overdue"
    place = others.pop("place", Place(OUT, 1, version * 10))
    return Told(place, id_, type_, "r-1", "f-1", version, effect, **others)


def level(number: int) -> Level:
    return Level("r-1", "2025-02-01", number)


def whole() -> History:
    """One resolution with two amendments, an act, three levels, poison and an aborted record."""
    told_of = (
        told(1, OPENED),
        told(2, AMENDED),
        told(3, AGAIN),
        told(4, PROGRESSED),
        *(told(4 + number, level=level(number)) for number in (1, 2, 3)),
    )
    return History(
        sent=(
            sent("s-1", 0, OPENED),
            sent("s-1", 1, OPENED),
            sent("a-1", 2, AMENDED),
            sent("a-2", 3, AGAIN),
            sent("p-1", 4, refusal="broken-json"),
            Sent("x-1", IN, "r-2", Outcome.ABORTED, effects=(Effect("Opened", "r-2"),)),
        ),
        acts=(Act("h-1", Outcome.ACKNOWLEDGED, 1.0, 2.0, (PROGRESSED,), version=4),),
        arrived=tuple(
            Arrived(Place(IN, 0, offset), id_, "r-1")
            for offset, id_ in enumerate(("s-1", "s-1", "a-1", "a-2", "p-1"))
        ),
        told=(*told_of, replace(told_of[1], place=Place(OUT, 1, 99))),  # published again
        committed=tuple(
            Committed("civil", OUT, event.id, event.aggregate, event.version) for event in told_of
        ),
        states=(State("civil", "f-1", "r-1", 7, OUT),),
        shown=(State("api", "f-1", "r-1", 7),),
        letters=(Letter(Place(IN, 0, 4), "broken-json"),) * 2,
        dues=tuple(Due(level(number)) for number in (1, 2, 3)),
        lags=(Lag("g", IN, 0, 0),),
        counts=(Count("civil", "total", 1, 1),),
    )


def without(history: History, version: int) -> History:
    return replace(history, told=tuple(event for event in history.told if event.version != version))


def swapped(history: History, one: int, other: int) -> History:
    """The two versions swap their places in the topic."""
    changed = {one: Place(OUT, 1, other * 10), other: Place(OUT, 1, one * 10)}
    return replace(
        history,
        told=tuple(
            replace(event, place=changed[event.version]) if event.version in changed else event
            for event in history.told[:-1]
        ),
    )


def renumbered(history: History, one: int, other: int) -> History:
    """The two events swap their versions; each is at the offset of its version."""
    numbers = {one: other, other: one}
    return replace(
        history,
        told=tuple(
            replace(event, version=version, place=Place(OUT, 1, version * 10))
            for event in history.told[:-1]
            for version in [numbers.get(event.version, event.version)]
        ),
        committed=None,
    )


def added(history: History, **more: Any) -> History:
    changes: dict[str, Any] = {
        name: (*getattr(history, name), value) for name, value in more.items()
    }
    return replace(history, **changes)


BREAKS: dict[str, tuple[Kind, Callable[[History], History]]] = {
    "an acknowledged record is not in the topic": (
        Kind.LOST,
        lambda h: replace(h, arrived=(h.arrived or ())[:3] + (h.arrived or ())[4:]),
    ),
    "an acknowledged record is nowhere": (
        Kind.LOST,
        lambda h: added(h, sent=Sent("s-9", IN, "r-1", Outcome.ACKNOWLEDGED)),
    ),
    "another record stands where it was acknowledged": (
        Kind.LOST,
        lambda h: replace(h, sent=(*h.sent, sent("s-9", 3))),
    ),
    "an acknowledged record has no effect": (
        Kind.LOST,
        lambda h: added(h, sent=sent("s-2", 0, Effect("Opened", "r-2"))),
    ),
    "an act that was answered has no effect": (
        Kind.LOST,
        lambda h: added(
            h, acts=Act("h-2", Outcome.ACKNOWLEDGED, 3.0, 4.0, (Effect("Done", "r-1"),))
        ),
    ),
    "an answer told another version": (
        Kind.LOST,
        lambda h: replace(h, acts=(replace(h.acts[0], version=9),)),
    ),
    "a committed event was never published": (
        Kind.LOST,
        lambda h: added(h, committed=Committed("civil", OUT, "e-9", "f-1", 8)),
    ),
    "a published event was never committed": (
        Kind.LOST,
        lambda h: replace(h, committed=(h.committed or ())[:-1]),
    ),
    "a state is behind what was told": (
        Kind.LOST,
        lambda h: replace(h, states=(State("civil", "f-1", "r-1", 6, OUT),), shown=None),
    ),
    "a state is ahead of what its topic tells": (
        Kind.LOST,
        lambda h: replace(h, states=(State("civil", "f-1", "r-1", 7, "elsewhere"),)),
    ),
    "what was told of is stored nowhere": (Kind.LOST, lambda h: replace(h, states=(), shown=())),
    "the API does not show it": (Kind.LOST, lambda h: replace(h, shown=())),
    "the API shows what is not stored": (
        Kind.DOUBLED,
        lambda h: added(h, shown=State("api", "f-2", "r-2", 1)),
    ),
    "one effect is two events": (
        Kind.DOUBLED,
        lambda h: added(h, told=told(8, OPENED)),
    ),
    "a version is two events": (Kind.DOUBLED, lambda h: added(h, told=told(7, id="other"))),
    "an id is read again with other data": (
        Kind.DOUBLED,
        lambda h: replace(h, told=(*h.told[:-1], replace(h.told[-1], content="other"))),
    ),
    "an event is told otherwise than committed": (
        Kind.DOUBLED,
        lambda h: replace(h, committed=(Committed("civil", OUT, "e-1", "f-1", 2),)),
    ),
    "an aggregate is stored in two databases": (
        Kind.DOUBLED,
        lambda h: added(h, states=State("social", "f-1", "r-1", 7)),
    ),
    "a resolution has two aggregates in a database": (
        Kind.DOUBLED,
        lambda h: added(h, states=State("civil", "f-2", "r-1", 7)),
    ),
    "an effect that nobody asked for": (
        Kind.UNASKED,
        lambda h: added(h, told=told(8, Effect("Closed", "r-1"))),
    ),
    "an effect that was refused": (
        Kind.UNASKED,
        lambda h: replace(h, acts=(replace(h.acts[0], outcome=Outcome.REFUSED),)),
    ),
    "an unknown record that never arrived has an effect": (
        Kind.UNASKED,
        lambda h: replace(
            h,
            sent=(*h.sent[:3], Sent("gone", IN, "r-1", Outcome.UNKNOWN, effects=(AGAIN,))),
        ),
    ),
    "an aborted record has an effect": (
        Kind.ABORTED,
        lambda h: replace(
            h, sent=(*h.sent[:3], Sent("a-9", IN, "r-1", Outcome.ABORTED, effects=(AGAIN,)))
        ),
    ),
    "an aborted record is read as committed": (
        Kind.ABORTED,
        lambda h: added(h, arrived=Arrived(Place(IN, 0, 5), "x-1", "r-2")),
    ),
    "versions stand in another order": (Kind.DISORDER, lambda h: swapped(h, 3, 4)),
    "effects come in another order than their offsets": (
        Kind.DISORDER,
        lambda h: renumbered(h, 2, 3),
    ),
    "what was asked later came before what was answered": (
        Kind.DISORDER,
        lambda h: replace(
            h,
            acts=(*h.acts, Act("h-2", Outcome.ACKNOWLEDGED, 3.0, 4.0, (AGAIN,))),
        ),
    ),
    "a key has two partitions": (
        Kind.DISORDER,
        lambda h: added(h, told=told(8, place=Place(OUT, 2, 0))),
    ),
    "an aggregate has two keys": (
        Kind.DISORDER,
        lambda h: added(h, told=replace(told(8), key="r-2")),
    ),
    "a version is missing": (Kind.GAP, lambda h: without(h, 2)),
    "the first version is missing": (Kind.GAP, lambda h: without(h, 1)),
    "a level came twice": (
        Kind.LEVEL,
        lambda h: added(h, told=told(8, id="other", level=level(3))),
    ),
    "a level did not come": (Kind.LEVEL, lambda h: without(h, 7)),
    "a level came that is not due": (Kind.LEVEL, lambda h: replace(h, dues=h.dues[:2])),
    "levels came in another order": (Kind.LEVEL, lambda h: renumbered(h, 5, 6)),
    "a poison has no dead letter": (Kind.POISON, lambda h: replace(h, letters=())),
    "a poison has another reason": (
        Kind.POISON,
        lambda h: replace(h, letters=(Letter(Place(IN, 0, 4), "failed"),)),
    ),
    "a good record is a dead letter": (
        Kind.POISON,
        lambda h: added(h, letters=Letter(Place(IN, 0, 0), "failed")),
    ),
    "a dead letter is written more often than it may": (
        Kind.POISON,
        lambda h: replace(h, most_letters=1),
    ),
    "a commit is pending": (Kind.PENDING, lambda h: replace(h, pending=("civil 1",))),
    "somebody is behind": (Kind.LAG, lambda h: replace(h, lags=(Lag("g", IN, 0, 1),))),
    "a scorecard is wrong": (
        Kind.SCORECARD,
        lambda h: replace(h, counts=(Count("civil", "total", 2, 1),)),
    ),
}
