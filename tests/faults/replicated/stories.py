"""What clients send, drawn by a seed: each resolution has a story, and stories run side by side."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final

from tests.promise.history import Due, Effect, Level

LONG_PAST: Final = "2020-02-01"  # by all three levels at once
PAST_AS_WELL: Final = "2020-03-01"
FAR: Final = "2035-01-01"
STEADY: Final = "/foreign/steady"
IN_TRANSACTIONS: Final = "/foreign/transactions"

CONSUMED_BY: Final = ("civil", "social", "crisis")
"""The deputies of these runs. Of `social`, resolutions move to `crisis`."""
GIVER: Final = "social"
TAKER: Final = "crisis"

POISON: Final = 0.01
EARLY: Final = 0.02  # amended before they are approved
DOUBLED: Final = 0.05
OVERDUE: Final = 0.25
ACTED_ON: Final = 0.12
WITHDRAWN: Final = 0.04
MOVED: Final = 0.15

_SPREAD: Final = 150  # records of others between two of one story, at most


@dataclass(frozen=True, slots=True)
class Record:
    """One record to send, and what has to come of it."""

    id: str
    type: str
    deputy: str  # whose topic
    key: str
    value: bytes | None
    source: str = STEADY
    effects: tuple[Effect, ...] = ()
    refusal: str | None = None
    in_order: bool = True
    kind: str = ""
    opens: str | None = None  # the resolution of a good approval


@dataclass(frozen=True, slots=True)
class Errand:
    """What somebody does over HTTP to a follow-up, step by step."""

    resolution_id: str
    deputy: str
    steps: tuple[str, ...]


class Stories:
    """Draws records without end. Not for two threads at once."""

    def __init__(self, seed: int, prefix: str = "r", deputies: Sequence[str] = CONSUMED_BY) -> None:
        """`prefix` begins every id, so that two clients' stories are never one another's."""
        self._chance = random.Random(f"{seed} {prefix}")
        self._prefix = prefix
        self._deputies = deputies
        self._numbers = count()
        self._tick = 0
        self._later: list[tuple[int, int, Record]] = []
        self.dues: list[Due] = []
        self.errands: dict[str, Errand] = {}  # by resolution, to be begun once it is approved
        self.movable: set[str] = set()

    def next(self) -> Record:
        """The next record of any story; a new one begins where none goes on now."""
        self._tick += 1
        if not (self._later and self._later[0][0] <= self._tick):
            self._begin()
        return heapq.heappop(self._later)[2]

    def overdue(self, number: int, deputy: str) -> list[Record]:
        """So many approvals that are overdue by every level."""
        records = [self._approval(self._id(), deputy, LONG_PAST) for _ in range(number)]
        for record in records:
            self._due(record.key, LONG_PAST, must=True)
        return records

    def broken(self, number: int, deputy: str) -> list[Record]:
        """So many records that nobody can read."""
        approvals = [self._approval(self._id(), deputy, FAR) for _ in range(number)]
        return [_refused(replace(a, value=b"{"), "broken-json") for a in approvals]

    def rest(self) -> Iterator[Record]:
        """What is left of the stories that were begun."""
        while self._later:
            yield heapq.heappop(self._later)[2]

    def together(self, source: str) -> list[Record]:
        """Five to twenty records of one transaction: approvals, some of them amended at once."""
        records: list[Record] = []
        for _ in range(self._chance.randint(4, 14)):
            id_, deputy = self._id(), self._deputy()
            records.append(replace(self._approval(id_, deputy, FAR), source=source))
            if self._chance.random() < 0.3:
                records.append(replace(self._amendment(id_, deputy, 0), source=source))
        return records

    def _begin(self) -> None:
        kind = self._chance.random()
        if kind < POISON:
            self._poison()
        elif kind < POISON + EARLY:
            self._early()
        else:
            self._good()

    def _good(self) -> None:
        chance = self._chance
        id_, deputy = self._id(), self._deputy()
        overdue = chance.random() < OVERDUE
        due_on = LONG_PAST if overdue else FAR
        acted_on = chance.random() < ACTED_ON
        amendments = 0 if acted_on and not overdue else chance.choice((0, 0, 0, 0, 1, 1, 2))
        withdrawn = not acted_on and chance.random() < WITHDRAWN
        moved_due = overdue and amendments > 0 and chance.random() < 0.5

        approval = self._approval(id_, deputy, due_on)
        at = self._put(approval)
        if chance.random() < DOUBLED:
            self._put(approval, self._after(self._tick))
        for number in range(amendments):
            new = PAST_AS_WELL if moved_due and number == 0 else None
            at = self._put(self._amendment(id_, deputy, number, new), self._after(at))
            if chance.random() < DOUBLED:
                self._put(self._amendment(id_, deputy, number, new), self._after(at))
        if withdrawn:
            self._put(self._withdrawal(id_, deputy), self._after(at))
        if acted_on:
            done = () if overdue else ("complete", "verify")
            steps = ("acknowledge", *["progress"] * chance.randint(1, 2), *done)
            self.errands[id_] = Errand(id_, deputy, steps)
        elif deputy == GIVER and chance.random() < MOVED:
            self.movable.add(id_)
        if overdue:
            last = PAST_AS_WELL if moved_due else LONG_PAST
            self._due(id_, last, must=not withdrawn)
            if moved_due:  # whether the first date had its levels is for the sweep to win or lose
                self._due(id_, LONG_PAST, must=False)

    def _early(self) -> None:
        """An amendment under another key, so that it may be read before its approval."""
        id_, deputy = self._id(), self._deputy()
        first = self._amendment(id_, deputy, 0)
        self._put(replace(first, key=f"early-{id_}", in_order=False, kind="early amendment"))
        self._put(self._approval(id_, deputy, FAR), self._after(self._tick))

    def _poison(self) -> None:
        id_ = self._id()
        kind = self._chance.choice(("broken-json", "wrong-deputy", "conflict"))
        deputy = "civil"  # nobody moves his resolutions: each is refused where it was sent
        approval = self._approval(id_, deputy, FAR)
        if kind == "conflict":
            at = self._put(approval)
            other = self._approval(id_, deputy, PAST_AS_WELL, id_=f"{id_}-other")
            self._put(_refused(other, kind), self._after(at))
            return
        assert approval.value is not None
        if kind == "broken-json":
            value = approval.value[:-20]
        else:
            value = _json({**json.loads(approval.value), "deputy": "security"})
        self._put(_refused(replace(approval, value=value), kind))

    def _put(self, record: Record, at: int | None = None) -> int:
        tick = self._tick if at is None else at
        heapq.heappush(self._later, (tick, next(self._numbers), record))
        return tick

    def _after(self, tick: int) -> int:
        """At once, or many others later."""
        return tick + self._chance.choice((1, 2, self._chance.randint(3, _SPREAD)))

    def _id(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"

    def _deputy(self) -> str:
        return self._chance.choice(self._deputies)

    def _due(self, id_: str, due_on: str, *, must: bool) -> None:
        self.dues += [Due(Level(id_, due_on, level), must) for level in (1, 2, 3)]

    def _approval(
        self, resolution_id: str, deputy: str, due_on: str, *, id_: str | None = None
    ) -> Record:
        data = {
            "resolution_id": resolution_id,
            "deputy": deputy,
            "title": f"طرح آبرسانی شماره {resolution_id}",
            "approved_at": "2020-01-01T10:00:00+03:30",
            "due_on": due_on,
        }
        return Record(
            id_ or f"{resolution_id}-approved",
            "ResolutionApproved",
            deputy,
            resolution_id,
            _json(data),
            effects=(Effect("FollowupOpened", resolution_id),),
            kind="approval",
            opens=resolution_id,
        )

    def _amendment(
        self, resolution_id: str, deputy: str, number: int, due_on: str | None = None
    ) -> Record:
        id_ = f"{resolution_id}-amended-{number}"
        data = {
            "resolution_id": resolution_id,
            "deputy": deputy,
            "amended_at": f"2020-01-{2 + number:02}T10:00:00+03:30",
            "title": f"طرح آبرسانی شماره {resolution_id}، اصلاح {number}",
            **({} if due_on is None else {"due_on": due_on}),
        }
        effects = (Effect("FollowupAmended", resolution_id, id_),)
        return Record(
            id_, "ResolutionAmended", deputy, resolution_id, _json(data), effects=effects,
            kind="amendment",
        )  # fmt: skip

    def _withdrawal(self, resolution_id: str, deputy: str) -> Record:
        data = {
            "resolution_id": resolution_id,
            "deputy": deputy,
            "withdrawn_at": "2020-01-20T10:00:00+03:30",
            "reason": "ادغام شد",
        }
        effects = (Effect("FollowupClosed", resolution_id, "withdrawn"),)
        return Record(
            f"{resolution_id}-withdrawn", "ResolutionWithdrawn", deputy, resolution_id,
            _json(data), effects=effects, kind="withdrawal",
        )  # fmt: skip


def _refused(record: Record, reason: str) -> Record:
    """The same as poison."""
    return replace(record, effects=(), refusal=reason, kind="poison", opens=None)


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()
