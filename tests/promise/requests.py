"""Laws about requests of clients: each has its effect once and in order, and nothing else has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.promise.history import Act, Effect, History, Outcome, Place, Sent, Told
from tests.promise.violations import Kind, Violation


@dataclass(slots=True)
class _Asked:
    """What is known about one effect, from all requests for it."""

    must: bool = False
    may: bool = False
    aborted: bool = False  # if neither: it was in a transaction that was aborted


def what_kafka_acknowledged_is_there(history: History) -> Iterator[Violation]:
    """An acknowledged record is at its place; an aborted one is never read."""
    if history.arrived is None:
        return
    at = {record.place: record for record in history.arrived}
    ids = {(record.place.topic, record.id) for record in history.arrived}
    committed = {(s.topic, s.id) for s in history.sent if s.outcome is not Outcome.ABORTED}
    aborted = ids - committed
    for sent in history.sent:
        if sent.outcome is Outcome.ACKNOWLEDGED and sent.place is not None:
            found = at.get(sent.place)
            if found is None:
                yield Violation(Kind.LOST, sent.id, f"acknowledged at {sent.place}, not there")
            elif sent.refusal is None and (found.id, found.key) != (sent.id, sent.key):
                yield Violation(Kind.LOST, sent.id, f"{found.id} stands at its {sent.place}")
        elif sent.outcome is Outcome.ACKNOWLEDGED and (sent.topic, sent.id) not in ids:
            yield Violation(Kind.LOST, sent.id, f"acknowledged, and nowhere in {sent.topic}")
        elif sent.outcome is Outcome.ABORTED and (sent.topic, sent.id) in aborted:
            yield Violation(Kind.ABORTED, sent.id, f"read as committed in {sent.topic}")


def each_has_its_effect_once(history: History) -> Iterator[Violation]:
    """Each requested effect is one event, however often it was sent; there is no other event."""
    asked = _asked(history)
    ids: defaultdict[Effect, set[str]] = defaultdict(set)
    for event in history.told:
        if event.effect is not None:
            ids[event.effect].add(event.id)
    for effect, known in asked.items():
        found = len(ids.get(effect, ()))
        name = _named(effect)
        if found > 1:
            yield Violation(Kind.DOUBLED, name, f"{found} events: {sorted(ids[effect])}")
        elif found == 0 and known.must:
            yield Violation(Kind.LOST, name, "acknowledged, and has no effect")
        elif found == 1 and not (known.must or known.may):
            kind = Kind.ABORTED if known.aborted else Kind.UNASKED
            yield Violation(kind, name, "has an effect that it must not have")
    for effect in ids.keys() - asked.keys():
        yield Violation(Kind.UNASKED, _named(effect), f"nobody asked for {sorted(ids[effect])}")


def effects_come_in_the_order_of_offsets(history: History) -> Iterator[Violation]:
    """A later record of a partition has its effect on an aggregate later."""
    told = _first_told(history)
    places_of = _places(history)
    loose = {e for s in history.sent if not s.in_order for e in (*s.effects, *s.possible)}
    first: dict[Effect, Place] = {}
    for sent in history.sent:
        for place in places_of(sent):
            for effect in (*sent.effects, *sent.possible):
                first[effect] = min(first.get(effect, place), place)
    lines: defaultdict[tuple[str, int, str], list[tuple[int, int, Effect]]] = defaultdict(list)
    for effect, place in first.items():
        event = told.get(effect)
        if event is not None and effect not in loose:
            line = lines[place.topic, place.partition, event.aggregate]
            line.append((place.offset, event.version, effect))
    for line in lines.values():
        line.sort()
        for (before, earlier, one), (after, later, other) in pairwise(line):
            if before < after and earlier > later:
                detail = f"at {after} behind {before}, and version {later} before {earlier}"
                yield Violation(Kind.DISORDER, f"{_named(one)}, {_named(other)}", detail)


def answers_come_true(history: History) -> Iterator[Violation]:
    """An answer has the version of its event; a request after an answer has a later version."""
    told = _first_told(history)
    by_aggregate: defaultdict[str, list[tuple[Act, Told]]] = defaultdict(list)
    for act in history.acts:
        if act.outcome is not Outcome.ACKNOWLEDGED:
            continue
        events = [told[effect] for effect in act.effects if effect in told]
        if events and act.version not in {None, max(event.version for event in events)}:
            found = [event.version for event in events]
            yield Violation(Kind.LOST, act.id, f"answered version {act.version}, told {found}")
        for event in events:
            by_aggregate[event.aggregate].append((act, event))
    for aggregate, line in by_aggregate.items():
        ended = sorted(line, key=lambda pair: pair[0].ended)
        highest, behind = 0, 0
        for act, event in sorted(line, key=lambda pair: pair[0].begun):
            while behind < len(ended) and ended[behind][0].ended < act.begun:
                highest = max(highest, ended[behind][1].version)
                behind += 1
            if event.version < highest:
                detail = f"version {event.version} was asked for after {highest} was answered"
                yield Violation(Kind.DISORDER, f"{act.id} of {aggregate}", detail)


def _asked(history: History) -> Mapping[Effect, _Asked]:
    asked: defaultdict[Effect, _Asked] = defaultdict(_Asked)
    arrived = history.arrived
    landed = {(record.place.topic, record.id) for record in arrived or ()}
    for sent in history.sent:
        outcome = sent.outcome
        if outcome is Outcome.UNKNOWN and arrived is not None:
            there = (sent.topic, sent.id) in landed
            outcome = Outcome.ACKNOWLEDGED if there else Outcome.REFUSED
        _note(asked, outcome, sent.effects, sent.possible)
    for act in history.acts:
        _note(asked, act.outcome, act.effects, act.possible)
    return asked


def _note(
    asked: defaultdict[Effect, _Asked],
    outcome: Outcome,
    effects: Sequence[Effect],
    possible: Sequence[Effect],
) -> None:
    for effect in effects:
        known = asked[effect]
        known.must |= outcome is Outcome.ACKNOWLEDGED
        known.may |= outcome is Outcome.UNKNOWN
        known.aborted |= outcome is Outcome.ABORTED
    for effect in possible:
        known = asked[effect]
        known.may |= outcome in {Outcome.ACKNOWLEDGED, Outcome.UNKNOWN}
        known.aborted |= outcome is Outcome.ABORTED


def _first_told(history: History) -> Mapping[Effect, Told]:
    told: dict[Effect, Told] = {}
    for event in history.told:
        if event.effect is not None:
            told.setdefault(event.effect, event)
    return told


def _places(history: History) -> Callable[[Sent], Sequence[Place]]:
    """The known places of each record that was sent."""
    arrived: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)
    for record in history.arrived or ():
        arrived[record.place.topic, record.id].append(record.place)

    def places(sent: Sent) -> Sequence[Place]:
        if sent.outcome in {Outcome.ABORTED, Outcome.REFUSED}:
            return ()
        found = arrived.get((sent.topic, sent.id), ())
        return found or ([sent.place] if sent.place is not None else ())

    return places


def _named(effect: Effect) -> str:
    return f"{effect.type} of {effect.about}" + (f" ({effect.mark})" if effect.mark else "")
