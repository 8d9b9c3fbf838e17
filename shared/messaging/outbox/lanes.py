"""What a relay has under way to Kafka: a lane a partition, so that a sick one holds up no other.

A lane takes events when it is free, sends them in their order, and is free again when Kafka has
answered, however long that takes. Where that failed it rests for a while, longer each time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.messaging.core.errors import Unsendable
from shared.messaging.core.model import Event
from shared.messaging.core.stalls import StallCause, StalledPart, Stalls, cause_of
from shared.messaging.kafka.publisher import OutgoingRecord, Publisher, SendResult, TopicRefused
from shared.runtime.clocks import MachineClock

_log = structlog.get_logger(__name__)

_FIRST_REST_SECONDS: Final = 0.05
_LONGEST_REST_SECONDS: Final = 5.0
_LONG_SECONDS: Final = 2.0  # without an answer; a new leader is there sooner
_NOWHERE: Final = -1  # the partition of the lane that asks for a topic's partitions


@dataclass(slots=True)
class _Lane:
    """A partition, with the events that are under way to it."""

    task: asyncio.Task[list[SendResult]] | None = None
    events: Sequence[Event] = ()
    since: float = 0.0  # monotonic: when they set out
    failures: int = 0  # in a row
    rests_until: float = 0.0  # monotonic


class Lanes:
    """The lanes of one relay."""

    def __init__(
        self,
        publisher: Publisher,
        write: Callable[[Event], OutgoingRecord],
        *,
        name: str,
        clock: MachineClock,
        stalls: Stalls,
        freed: Callable[[], None],
    ) -> None:
        """`name` is the database's; `freed` is called when one that `heard` gave up is free."""
        self._publisher = publisher
        self._write = write
        self._name = name
        self._clock = clock
        self._stalls = stalls
        self._freed = freed
        self._lanes: defaultdict[TopicPartition, _Lane] = defaultdict(_Lane)
        self._awaited: set[asyncio.Task[list[SendResult]]] = set()

    def takes(self, event: Event) -> bool:
        """Whether the event's lane is free."""
        place = self._publisher.place(event.topic, event.key.encode())
        return place is not None and self._is_free(self._lanes[place])

    def locate(self, topics: Collection[str]) -> None:
        """Begin to ask for the partitions of topics; one that is unknown takes nothing."""
        for topic in topics:
            place = TopicPartition(topic, _NOWHERE)
            unknown = self._publisher.place(topic, b"") is None
            if unknown and self._is_free(self._lanes[place]):
                self._set_out(place, self._ask(topic))

    def send(self, events: Iterable[Event]) -> None:
        """Let events of free lanes set out, in their order."""
        shares: defaultdict[TopicPartition, list[Event]] = defaultdict(list)
        for event in events:
            place = self._publisher.place(event.topic, event.key.encode())
            assert place is not None, "its lane takes it"
            shares[place].append(event)
        for place, share in shares.items():
            records = [self._write(event) for event in share]
            self._set_out(place, self._publisher.deliver(place, records), share)

    async def heard(self, seconds: float) -> Sequence[tuple[Event, SendResult]]:
        """Wait for what has set out since the last time, so long at most.

        Return what became of each event that was answered since then, but for those whose
        partition is at fault: they are to be sent again.
        """
        awaited = {task for task in self._awaited if not task.done()}
        self._awaited.clear()
        if awaited:
            _, late = await asyncio.wait(awaited, timeout=seconds)
            for task in late:
                task.add_done_callback(lambda _: self._freed())
        answers: list[tuple[Event, SendResult]] = []
        for place, lane in self._lanes.items():
            if lane.task is None:
                continue
            if lane.task.done():
                answers += self._free(place, lane)
            elif self._clock.monotonic() - lane.since > _LONG_SECONDS:
                self._note(place, StallCause.NO_ANSWER)
        return answers

    def forget(self) -> None:
        """Let what is under way be nobody's: somebody else may have sent it meanwhile."""
        for place, lane in self._lanes.items():
            lane.events, lane.failures = (), 0
            self._note(place, None)

    def _is_free(self, lane: _Lane) -> bool:
        return lane.task is None and self._clock.monotonic() >= lane.rests_until

    def _set_out(
        self,
        place: TopicPartition,
        sending: Coroutine[Any, Any, list[SendResult]],
        events: Sequence[Event] = (),
    ) -> None:
        lane = self._lanes[place]
        lane.task = asyncio.ensure_future(sending)
        lane.events = events
        lane.since = self._clock.monotonic()
        self._awaited.add(lane.task)

    async def _ask(self, topic: str) -> list[SendResult]:
        try:
            await self._publisher.locate(topic)
        except (TopicRefused, KafkaError, OSError, TimeoutError) as error:
            return [error]
        return []

    def _free(self, place: TopicPartition, lane: _Lane) -> Sequence[tuple[Event, SendResult]]:
        """What became of the events of a lane that has heard its answers."""
        assert lane.task is not None
        answers, events = lane.task.result(), lane.events
        lane.task, lane.events = None, ()
        failure = next((a for a in answers if isinstance(a, Exception) and _is_the_lanes(a)), None)
        if failure is None:
            lane.failures = 0
            self._note(place, None)
        else:
            lane.failures += 1
            rest = min(_LONGEST_REST_SECONDS, _FIRST_REST_SECONDS * 2 ** min(lane.failures, 10))
            lane.rests_until = self._clock.monotonic() + rest
            self._note(place, cause_of(failure))
            _log.warning(
                "waiting",
                what=f"{self._name}/relay",
                topic=place.topic,
                partition=place.partition,
                tries=lane.failures,
                error=f"{type(failure).__name__}: {failure}",
            )
        return [
            (event, answer)
            for event, answer in zip(events, answers, strict=bool(events))
            if not _is_the_lanes(answer)
        ]

    def _note(self, place: TopicPartition, cause: StallCause | None) -> None:
        what = StalledPart("relay", self._name, place.topic)
        if cause is None and any(
            lane.failures for other, lane in self._lanes.items() if other.topic == place.topic
        ):
            return  # another partition of it still waits
        self._stalls.note(what, cause)


def _is_the_lanes(answer: SendResult) -> bool:
    """Whether an answer tells of the partition, not of the one event."""
    if isinstance(answer, TopicRefused):
        return True
    return isinstance(answer, Exception) and not isinstance(answer, Unsendable)
