"""What a relay has in flight to Kafka: one lane per partition, so that none delays another.

A lane accepts events if it is free, sends them in their order, and is free again when Kafka has
answered, however long that takes. After a failure it pauses, longer each time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.messaging.core.errors import Unsendable
from shared.messaging.core.model import Event
from shared.messaging.core.stalls import StalledPart, Stalls
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.publisher import Publisher, SendResult, TopicRefused
from shared.runtime.clocks import MachineClock

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 5.0
_SILENT_SECONDS: Final = 2.0  # without an answer; the election of a leader takes less
_ASKING: Final = -1  # partition number of the lane that asks for a topic's partitions


@dataclass(slots=True)
class _Lane:
    """A partition, with the events in flight to it."""

    task: asyncio.Task[list[SendResult]] | None = None
    events: Sequence[Event] = ()
    since: float = 0.0  # monotonic: when they were sent
    failures: int = 0  # in a row
    pauses_until: float = 0.0  # monotonic


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
        on_free: Callable[[], None],
    ) -> None:
        """`name` is the database's; `on_free` is called when a lane that `collect` left is free."""
        self._publisher = publisher
        self._write = write
        self._name = name
        self._clock = clock
        self._stalls = stalls
        self._on_free = on_free
        self._lanes: defaultdict[TopicPartition, _Lane] = defaultdict(_Lane)
        self._awaited: set[asyncio.Task[list[SendResult]]] = set()

    def free_place(self, event: Event) -> TopicPartition | None:
        """Return the partition of an event if its lane is free."""
        place = self._publisher.place(event.topic, event.key.encode())
        return place if place is not None and self._is_free(self._lanes[place]) else None

    def locate(self, topics: Collection[str]) -> None:
        """Begin to ask for the partitions of topics; a topic accepts nothing before it has them."""
        for topic in topics:
            place = TopicPartition(topic, _ASKING)
            unknown = self._publisher.place(topic, b"") is None
            if unknown and self._is_free(self._lanes[place]):
                self._start(place, self._ask(topic))

    def send(self, events: Mapping[TopicPartition, Sequence[Event]]) -> None:
        """Send events by free lanes, in their order."""
        for place, share in events.items():
            records = [self._write(event) for event in share]
            self._start(place, self._publisher.deliver(place, records), share)

    async def collect(self, seconds: float) -> Sequence[tuple[Event, SendResult]]:
        """Wait, at most `seconds`, for what was sent since the last call.

        Return the result of each event that was answered since then, except if its partition
        failed: such an event has to be sent again.
        """
        awaited = {task for task in self._awaited if not task.done()}
        self._awaited.clear()
        if awaited:
            _, late = await asyncio.wait(awaited, timeout=seconds)
            for task in late:
                task.add_done_callback(lambda _: self._on_free())
        answers: list[tuple[Event, SendResult]] = []
        for place, lane in self._lanes.items():
            if lane.task is None:
                continue
            if lane.task.done():
                answers += self._free(place, lane)
            elif self._clock.monotonic() - lane.since > _SILENT_SECONDS:
                self._note(place, TimeoutError())
        return answers

    def forget(self) -> None:
        """Ignore what is in flight: another process may have sent it meanwhile."""
        for place, lane in self._lanes.items():
            lane.events, lane.failures = (), 0
            self._note(place, None)

    def _is_free(self, lane: _Lane) -> bool:
        return lane.task is None and self._clock.monotonic() >= lane.pauses_until

    def _start(
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
        """Free a lane that has its answers; return the results of its events."""
        assert lane.task is not None
        answers, events = lane.task.result(), lane.events
        lane.task, lane.events = None, ()
        failure = next((a for a in answers if isinstance(a, Exception) and _concerns_lane(a)), None)
        if failure is None:
            lane.failures = 0
            self._note(place, None)
        else:
            lane.failures += 1
            pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(lane.failures, 10))
            lane.pauses_until = self._clock.monotonic() + pause
            self._note(place, failure)
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
            if not _concerns_lane(answer)
        ]

    def _note(self, place: TopicPartition, failure: Exception | None) -> None:
        part = StalledPart("relay", self._name, place.topic)
        if failure is not None:
            self._stalls.note_error(part, failure)
        elif not any(
            lane.failures for other, lane in self._lanes.items() if other.topic == place.topic
        ):  # else another partition of the topic still waits
            self._stalls.note(part, None)


def _concerns_lane(answer: SendResult) -> bool:
    """Whether a failure concerns the partition, not only this event."""
    if isinstance(answer, TopicRefused):
        return True
    return isinstance(answer, Exception) and not isinstance(answer, Unsendable)
