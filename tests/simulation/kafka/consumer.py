"""The consumer, as aiokafka shows it: what it fetched ahead, what it hands out, where it stands.

`shared.messaging.kafka.consumers` builds on aiokafka's consumer; `readers` builds the same on this
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from aiokafka import ConsumerRecord
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    NoOffsetForPartitionError,
    NotLeaderForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import TopicPartition

from shared.messaging.kafka.decoding import Unreadable
from tests.simulation.kafka.cluster import Brokers
from tests.simulation.kafka.fetched import (
    Fetched,
    Fetcher,
    State,
    Subscription,
    handed_out,
)
from tests.simulation.loop import Process, current_process

_BACKOFF: Final = 0.1
_HEARTBEAT: Final = 2.0
_FETCH_MAX_WAIT: Final = 0.5
_MOST: Final = 40  # records of a fetch; less than one answer of a broker ever holds


class Coordinator:
    """What a member knows of its place in the group."""

    def __init__(self, consumer: SimulatedConsumer) -> None:
        self._consumer = consumer
        self._heartbeat_task = self

    def done(self) -> bool:
        """Whether it sends heartbeats no more: it does, for as long as it has joined."""
        return False

    def need_rejoin(self, _: object) -> bool:
        """Whether it has heard that the group counts on it no more."""
        return not self._consumer.has_joined


class SimulatedConsumer:
    """A member of a group, or a reader of whole topics without one."""

    brokers: ClassVar[Brokers]

    def __init__(self, *topics: str, **options: Any) -> None:
        self._brokers = brokers = self.brokers
        self.topics = topics
        self._committed_only = options.get("isolation_level") == "read_committed"
        self._reset = options.get("auto_offset_reset", "latest")
        group = options.get("group_id")
        self._group = None if group is None else brokers.group(group)
        self._listener = options.get("listener")
        self._timeout = options.get("request_timeout_ms", 40_000) / 1000
        self._states: dict[TopicPartition, State] = {}
        self._fetched: dict[TopicPartition, Fetched | KafkaError] = {}
        self._asking: object | None = None
        self._generation = 0
        self.has_joined = False
        self._woken: asyncio.Future[None] | None = None
        self._closed = False
        self._stepped_over = False
        self._subscription = Subscription(self)
        self._fetcher = Fetcher()
        self._coordinator = Coordinator(self)
        brokers.producers += 1
        self.order = brokers.producers
        self.process = current_process() or Process("a client")

    # -- its life -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect. Raises KafkaConnectionError where no broker is there."""
        brokers = self._brokers
        self.process = current_process() or self.process
        try:
            counts = await brokers.ask(
                lambda: {name: len(brokers.topics.get(name, ())) for name in self.topics}, 5.0
            )
        except KafkaError as error:
            raise KafkaConnectionError("Unable to bootstrap") from error
        if self._group is None:
            for name, count in counts.items():
                for number in range(count):
                    self._states[TopicPartition(name, number)] = State()
            self._settle(list(self._states))
        else:
            self._group.join(self)
            self.process.on_end.append(self._died)

    async def stop(self) -> None:
        """Leave the group."""
        self._closed = True
        self._asking = None
        if self._group is not None:
            self._group.leave(self)
        self._states = {}

    def _died(self) -> None:
        if self._group is not None:
            self._group.expire(self)

    def fell_asleep(self) -> None:
        """The process sleeps: nobody answers for it any more."""
        if self._group is not None:
            self._group.expire(self)

    def woke_up(self) -> None:
        """The process goes on, and hears with its next heartbeat that it is no member."""
        self._brokers.loop.at(self._brokers.rng.random() * _HEARTBEAT, self._heartbeat)

    def _heartbeat(self) -> None:
        if self.process.stopped or self._group is None or self._closed:
            return
        if self not in self._group.members:
            self.prepare()
            self._group.join(self)

    # -- what its group tells it --------------------------------------------------------------

    def prepare(self) -> None:
        """A rebalance begins: what it has is taken away."""
        self.has_joined = False
        self._here(self._revoke, list(self._states))

    def assign(self, partitions: Sequence[TopicPartition], generation: int) -> None:
        """What it has from now on."""
        self._here(self._take, list(partitions), generation)

    def _here(self, work: Callable[..., None], *args: Any) -> None:
        """Do something as a callback of this consumer's process."""
        if not self._closed:
            self._brokers.loop.call_in(self.process, work, *args)

    def _revoke(self, partitions: Sequence[TopicPartition]) -> None:
        if self._listener is not None and partitions:
            self._listener.on_partitions_revoked(set(partitions))

    def _take(self, partitions: Sequence[TopicPartition], generation: int) -> None:
        self._revoke([p for p in self._states if p not in partitions])
        self._generation = generation
        self.has_joined = True
        self._states = {p: State() for p in partitions}
        self._fetched = {}
        self._asking = None
        if self._listener is not None:
            self._listener.on_partitions_assigned(set(partitions))
        self._settle(partitions)

    def _settle(self, partitions: Sequence[TopicPartition]) -> None:
        """Ask where to begin: at the committed offset, or by `auto_offset_reset`."""
        states = {p: self._states[p] for p in partitions if p in self._states}
        brokers, group = self._brokers, self._group

        def serve() -> None:
            if brokers.weather.away:
                brokers.loop.at(_BACKOFF, serve)
                return
            found: dict[TopicPartition, int | KafkaError] = {}
            for partition in states:
                committed = None if group is None else group.offsets.get(partition)
                if committed is not None:
                    found[partition] = committed
                elif self._reset == "none":
                    found[partition] = NoOffsetForPartitionError(partition)
                elif partition.topic in brokers.topics:
                    log = brokers.partition(partition)
                    found[partition] = log.start if self._reset == "earliest" else log.high
            brokers.loop.at(brokers.delay(), self._here, self._settled, states, found)

        brokers.loop.at(brokers.delay(), serve)

    def _settled(
        self,
        states: dict[TopicPartition, State],
        found: dict[TopicPartition, int | KafkaError],
    ) -> None:
        for partition, place in found.items():
            state = states[partition]
            if self._states.get(partition) is not state or state.position is not None:
                continue
            if isinstance(place, KafkaError):
                self._fetched[partition] = place
            else:
                state.position = place
        self._wake()
        self._pump()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    # -- where it stands ----------------------------------------------------------------------

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that it has."""
        return frozenset(self._states)

    def _state(self, partition: TopicPartition) -> State:
        state = self._states.get(partition)
        if state is None:
            raise IllegalStateError(f"Partition {partition} is not assigned")
        return state

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read from there. Raises IllegalStateError."""
        self._state(partition).position = offset
        self._changed()

    async def position(self, partition: TopicPartition) -> int:
        """The offset that is read next. Raises IllegalStateError."""
        while True:
            state = self._state(partition)
            if state.position is not None:
                return state.position
            await asyncio.sleep(0.02)

    def highwater(self, partition: TopicPartition) -> int | None:
        """Where the partition ended by the last read; None where it was not read."""
        assert partition in self._states, "Partition is not assigned"
        return self._states[partition].high

    def last_stable_offset(self, partition: TopicPartition) -> int | None:
        """Where its stable part ended by the last read; None where it was not read."""
        assert partition in self._states, "Partition is not assigned"
        return self._states[partition].stable

    def pause(self, *partitions: TopicPartition) -> None:
        """Read these no more. Raises IllegalStateError."""
        for partition in partitions:
            self._state(partition).paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        """Read these again. Raises IllegalStateError."""
        for partition in partitions:
            self._state(partition).paused = False
        self._changed()

    def paused(self) -> set[TopicPartition]:
        """Those that are not read."""
        return {partition for partition, state in self._states.items() if state.paused}

    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Where partitions begin. Raises KafkaError."""
        return await self._offsets(partitions, end=False)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where partitions end, for a reader of its isolation. Raises KafkaError."""
        return await self._offsets(partitions, end=True)

    async def _offsets(
        self, partitions: Sequence[TopicPartition], *, end: bool
    ) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        brokers = self._brokers

        def serve() -> dict[TopicPartition, int]:
            found = {}
            for partition in partitions:
                log = brokers.partition(partition)
                if not log.leader:
                    raise NotLeaderForPartitionError
                found[partition] = self._end(log) if end else log.start
            return found

        until = brokers.loop.time() + self._timeout
        while True:
            try:
                offsets: dict[TopicPartition, int] = await brokers.ask(serve, self._timeout)
            except KafkaError as error:
                if not error.retriable or brokers.loop.time() > until:
                    raise
                await asyncio.sleep(_BACKOFF)
            else:
                return offsets

    def _end(self, log: Any) -> int:
        end: int = log.stable if self._committed_only else log.high
        return end

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Commit offsets. Raises KafkaError, and IllegalStateError for what it has not."""
        group = self._group
        assert group is not None
        for partition in offsets:
            self._state(partition)
        generation = self._generation

        def serve() -> None:
            if self not in group.members or generation != group.generation:
                raise CommitFailedError
            group.offsets.update(offsets)

        await self._brokers.ask(serve, self._timeout)

    # -- fetching ahead -----------------------------------------------------------------------

    def _changed(self) -> None:
        """Something else is to be fetched: what is under way comes to nothing."""
        if self._asking is not None:
            self._asking = None
            wait = self._brokers.rng.random() * _FETCH_MAX_WAIT  # the broker sits on it so long
            self._brokers.loop.at(wait, self._here, self._pump)
        else:
            self._pump()

    def _pump(self) -> None:
        """Ask for what comes next, where nothing is asked for and nothing lies unread."""
        if self._asking is not None or self._closed:
            return
        if self._fetched and self._fetcher._prefetch_backoff > 1.0:
            return
        wanted = {
            partition: (state, state.position)
            for partition, state in self._states.items()
            if state.position is not None and not state.paused and partition not in self._fetched
        }
        if not wanted:
            return
        self._asking = token = object()
        self._brokers.loop.at(self._brokers.delay(), self._serve, token, wanted)

    def _serve(self, token: object, wanted: dict[TopicPartition, tuple[State, int]]) -> None:
        """At the broker: answer where there is something, or wait for it."""
        if token is not self._asking or not self.process.alive:
            return
        brokers = self._brokers
        weather = brokers.weather
        lost = weather.request_lost + weather.answer_lost
        if weather.away or (lost and brokers.rng.random() < lost):
            brokers.loop.at(_BACKOFF + brokers.rng.random(), self._serve, token, wanted)
            return
        most = 1 + int(brokers.rng.random() * _MOST)
        answer: dict[TopicPartition, Any] = {}
        waits = False
        for partition, (state, position) in wanted.items():
            if partition.topic not in brokers.topics:
                continue
            log = brokers.partition(partition)
            if not log.leader:
                continue
            if not log.start <= position <= log.end:
                answer[partition] = OffsetOutOfRangeError({partition: position})
                waits = True
                continue
            records, behind = log.read(position, most, committed=self._committed_only)
            wake_up = (state.high, state.stable) != (log.high, log.stable)
            answer[partition] = (records, behind, log.high, log.stable)
            waits = waits or behind > position or wake_up
        if waits:
            brokers.loop.at(brokers.delay(), self._here, self._arrived, token, wanted, answer)
        else:
            brokers.when_news(self._serve, token, wanted)

    def _arrived(
        self,
        token: object,
        wanted: dict[TopicPartition, tuple[State, int]],
        answer: dict[TopicPartition, Any],
    ) -> None:
        if token is not self._asking:
            return
        self._asking = None
        rng, share = self._brokers.rng, self._brokers.weather.reads_fail
        for partition, found in answer.items():
            state, position = wanted[partition]
            if self._states.get(partition) is not state or state.position != position:
                continue  # it was taken away, or somebody sought another place
            if isinstance(found, OffsetOutOfRangeError):
                if self._reset == "none":
                    self._fetched[partition] = found
                else:
                    state.position = None
                    self._find_reset(partition, state)
                continue
            records, behind, state.high, state.stable = found
            if behind > position:
                broken = bool(share and records and rng.random() < share)
                self._fetched[partition] = Fetched(position, records, behind, broken)
        self._wake()
        self._pump()

    def _find_reset(self, partition: TopicPartition, state: State) -> None:
        brokers = self._brokers

        def serve() -> None:
            log = brokers.partition(partition)
            place = log.start if self._reset == "earliest" else log.high
            brokers.loop.at(
                brokers.delay(), self._here, self._settled, {partition: state}, {partition: place}
            )

        brokers.loop.at(brokers.delay(), serve)

    # -- handing out --------------------------------------------------------------------------

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """Hand out what was fetched, or wait for it. Raises KafkaError where that can't be read."""
        loop = self._brokers.loop
        until = loop.time() + timeout_ms / 1000
        while True:
            if self._closed:
                raise ConsumerStoppedError
            found = self._drain(partitions, max_records)
            left = until - loop.time()
            # Nothing waits long in a poll of a subscription, which comes again and again; here it
            # is a long one, so it ends where it has stepped over a marker.
            if found or left <= 0 or self._stepped_over:
                return found
            self._woken = woken = loop.create_future()
            self._pump()
            await asyncio.wait((woken,), timeout=left)

    def _drain(
        self, wanted: Sequence[TopicPartition], most: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        drained: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {}
        self._stepped_over = False
        try:
            for partition in list(self._fetched):
                if wanted and partition not in wanted:
                    continue
                entry = self._fetched[partition]
                if isinstance(entry, KafkaError):
                    if drained:
                        return drained  # the error comes with the next call
                    del self._fetched[partition]
                    raise entry
                records = self._all_of(partition, entry, most)
                self._stepped_over |= not records
                if records:
                    drained[partition] = records
                    if most is not None:
                        most -= len(records)
                        if most == 0:
                            break
        finally:
            self._pump()
        return drained

    def _all_of(
        self, partition: TopicPartition, entry: Fetched, most: int | None
    ) -> list[ConsumerRecord[bytes, bytes]]:
        state = self._states.get(partition)
        if state is None or state.paused or state.position != entry.at:
            del self._fetched[partition]
            return []
        if entry.broken:
            # Nothing of it is handed out and it is fetched again; but the partitions before it
            # stand behind what was taken of them already, and that is dropped.
            del self._fetched[partition]
            raise Unreadable(partition, "a record could not be read")
        if most is not None and len(entry.records) > most:
            taken, entry.records = entry.records[:most], entry.records[most:]
            state.position = entry.at = taken[-1][0] + 1
        else:
            taken = entry.records
            state.position = entry.behind
            del self._fetched[partition]
        return [handed_out(partition, offset, raw) for offset, raw in taken]
