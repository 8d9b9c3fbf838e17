"""Everything at once: servers, two processes, clients, and what the schedule does to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import TopicPartition

from shared.messaging.kafka import publisher as publishing
from shared.messaging.recovery import recovery as recovering
from tests.promise.history import Act as Acted
from tests.promise.history import Outcome, Place, Sent
from tests.simulation import clients
from tests.simulation.cases import TOLD
from tests.simulation.clocks import SimulatedMachineClock
from tests.simulation.faults import befall
from tests.simulation.kafka.cluster import Brokers
from tests.simulation.kafka.cluster import Weather as KafkaWeather
from tests.simulation.kafka.consumer import SimulatedConsumer
from tests.simulation.kafka.producer import SimulatedProducer
from tests.simulation.kafka.readers import readers
from tests.simulation.loop import Process, SimulatedLoop, Stuck
from tests.simulation.mongo.data import Data
from tests.simulation.mongo.server import ReplicaSet
from tests.simulation.mongo.server import Weather as MongoWeather
from tests.simulation.schedule import Item, Schedule
from tests.simulation.service import DATABASE, GROUP, INPUT, SERVICE, TOPICS, Replica

REPLICAS: Final = 2
REST_SECONDS: Final = 150.0  # after the last fault; a pause of 5 s between tries is nothing odd
OTHERS_SECONDS: Final = 60.0  # the same, while one partition has too few replicas still
_ENDED_SECONDS: Final = 5.0  # until nothing of the processes is under way any more
_STEADY_SECONDS: Final = 4.5  # until Kafka's offsets have followed
_MOST_STEPS: Final = 400_000


class World:
    """One schedule on its way."""

    def __init__(self, schedule: Schedule, options: Mapping[str, Any] | None = None) -> None:
        self.schedule = schedule
        self.options = options or {}
        self.rng = random.Random(schedule.seed ^ 0x5EED)
        self.loop = SimulatedLoop(self.rng)  # type: ignore[abstract]  # it has what asyncio asks for
        self.server = ReplicaSet(self.loop, self.rng)
        self.server.lifetime = schedule.lifetime
        self.brokers = Brokers(self.loop, self.rng)
        for name, partitions in (
            (INPUT, 2),
            (TOLD, 2),
            (TOPICS.replay(SERVICE), 1),
            (TOPICS.deadletter(SERVICE), 1),
            (TOPICS.rejections, 1),
        ):
            self.brokers.create(name, partitions)
        self.replicas: list[Replica] = []
        self.sent: list[Sent] = []
        self.acts: dict[str, Acted] = {}
        self.disordered: set[str] = set()  # cases of which a record's fate is unknown
        self.crashes: list[str] = []
        self.crash_errors: list[BaseException] = []
        self.restored = False
        self.down = False  # nobody is started again just now
        self.restarts = 0
        self._sick: int | None = None
        self.letters_may = 1  # how often a dead letter may be written: once a life of a process
        self._clients: dict[str, clients.Client] = {}
        self._copy: dict[str, Data] = {}

    # -- what clients note --------------------------------------------------------------------

    def note(
        self, item: Item, outcome: Outcome, place: Place | None, number: int | None = None
    ) -> int:
        """Note what became of a record, or that it sets out."""
        known = clients.sent(item, outcome, place)
        if number is None:
            self.sent.append(known)
            return len(self.sent) - 1
        self.sent[number] = known
        return number

    def acknowledged(self, id_: str) -> bool:
        """Whether a record of this id was acknowledged."""
        return any(s.id == id_ and s.outcome is Outcome.ACKNOWLEDGED for s in self.sent)

    # -- its run ------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the schedule until all is at rest. Raises Stuck where that never comes."""
        self.loop.run(self._run(), 600.0, _MOST_STEPS)

    async def _run(self) -> None:
        publishing.__dict__["AIOKafkaProducer"] = self._producer
        recovering.__dict__["ForgivingConsumer"] = readers().ForgivingConsumer
        SimulatedConsumer.brokers = self.brokers
        for number in range(REPLICAS):
            self.replicas.append(self._start(number))
        schedule, loop = self.schedule, self.loop
        tasks: list[asyncio.Task[None]] = []
        last = 0.0
        for send in schedule.sends:
            client = self._clients.setdefault(send.client, clients.Client(self, send.client))
            tasks.append(loop.create_task(_later(send.at, client.send(send))))
        tasks += [
            loop.create_task(_later(wish.at, clients.act(self, wish))) for wish in schedule.acts
        ]
        for fault in schedule.faults:
            loop.at(fault.at, befall, self, fault)
            last = max(last, fault.at + fault.seconds)
        if schedule.restores:
            loop.at(schedule.copy_at, self._take_copy)
        if schedule.sick is not None:
            self._sicken(schedule.sick, True)
        if tasks:
            await asyncio.gather(*tasks)
        await asyncio.sleep(max(0.0, last + 0.1 - loop.time()))
        self._heal()
        if schedule.sick is not None:
            # MongoDB keeps a transaction that nobody ends for its lifetime.
            await self._rest(OTHERS_SECONDS + schedule.lifetime + 20 * schedule.late)
            self._sicken(schedule.sick, False)
        await self._rest(REST_SECONDS + 20 * schedule.late)

    def _producer(self, **options: Any) -> SimulatedProducer:
        options["max_batch_size"] = min(self.schedule.batch_bytes, options["max_batch_size"])
        return SimulatedProducer(self.brokers, **options)

    def _start(self, number: int) -> Replica:
        self.restarts += 1
        process = self.loop.process(f"replica-{number}/{self.restarts}")
        skew = (self.rng.random() - 0.5) * 2 * self.rng.choice((0.01, 1.0, 10.0))
        clock = SimulatedMachineClock(self.loop, skew, self.rng.random() * 1e6)
        context = self.loop.server.copy()
        replica = context.run(
            Replica,
            process,
            self.loop,
            self.server,
            self.rng,
            clock,
            self._producer,
            self.options,
        )
        replica.kafka.process = process
        replica.ended.add_done_callback(
            lambda future: self._ended(number, process.name, future), context=self.loop.server
        )
        replica.start()
        return replica

    def _ended(self, number: int, name: str, future: asyncio.Future[BaseException]) -> None:
        error = future.result()
        self.crashes.append(f"{name}: {type(error).__name__}: {error}")
        self.crash_errors.append(error)
        process = self.replicas[number].process
        for task in process.tasks:  # as a group of tasks that ends with the first that fails
            task.cancel()
        self.loop.at(1.0, self.kill, number, 0.5 + self.rng.random(), process)

    # -- what befalls it ----------------------------------------------------------------------

    def kill(self, number: int, seconds: float, only: Process | None = None) -> None:
        """End a process at once, and start it again some seconds later.

        `only`: where it is still this one.
        """
        process = self.replicas[number].process
        if not process.alive or (only is not None and only is not process):
            return
        self.loop.kill(process)
        self.letters_may += 1
        self.loop.at(seconds, self._again, number)

    def _again(self, number: int) -> None:
        if self.down:
            self.loop.at(0.5, self._again, number)
        elif not self.replicas[number].process.alive:
            self.replicas[number] = self._start(number)

    def restore(self, seconds: float) -> None:
        """As the runbook has it: all processes are ended, then the copy is put in its place."""
        self.restored = self.down = True
        for number in range(REPLICAS):
            self.kill(number, 0.5)
        self.loop.at(_ENDED_SECONDS, self.server.restore, DATABASE, self._copy, seconds)
        self.loop.at(_ENDED_SECONDS + seconds, setattr, self, "down", False)

    def _take_copy(self) -> None:
        self._copy = self.server.copy(DATABASE)

    def _heal(self) -> None:
        """End everything that is wrong still."""
        self.server.weather = MongoWeather()
        self.brokers.weather = KafkaWeather(answers_after=self.schedule.late)
        for replica in self.replicas:
            replica.client.cut = False
        for partitions in self.brokers.topics.values():
            for partition in partitions:
                partition.enough_replicas, partition.broken = True, False
                partition.largest_batch = 1_048_576
        if self.schedule.sick is not None:
            self._sicken(self.schedule.sick, True)

    def _sicken(self, number: int, sick: bool) -> None:
        self._sick = number if sick else None
        self.brokers.topics[TOLD][number].enough_replicas = not sick

    # -- its rest -----------------------------------------------------------------------------

    async def _rest(self, seconds: float) -> None:
        until = self.loop.time() + seconds
        levels = [item.due for s in self.schedule.sends for item in s.items if item.due is not None]
        await asyncio.sleep(max(0.0, max(levels, default=0.0) + 2.5 - self.loop.time()))
        while True:
            why = self.unrest()
            if not why:
                await asyncio.sleep(_STEADY_SECONDS)
                why = self.unrest()
                if not why:
                    return
            if self.loop.time() > until:
                raise Stuck(f"not at rest {seconds:.0f} s after the last fault: {why}")
            await asyncio.sleep(0.5)

    def unrest(self) -> str:
        """What is left to do; nothing where all is at rest."""
        if self.down or not all(r.process.alive and r.ready for r in self.replicas):
            return "a process is not there"
        if not self.brokers.group(GROUP).is_stable(REPLICAS):
            return "the group is not stable"
        for name in ("commits", "deferred"):
            left = self.documents(name)
            if name == "commits":
                left = [one for one in left if one.get("pending") and not self._waits(one)]
            else:  # what the approval of which did not arrive waits for ever
                left = [one for one in left if self.acknowledged(f"approve-{one['about']}")]
            if left:
                return f"{len(left)} {name} wait"
        now = self.server.now()
        if any(one.get("next_alert", now + timedelta(1)) <= now for one in self.documents("cases")):
            return "a level is due"
        for place in self.inputs():
            partition = self.brokers.partition(place)
            position = self.position(place)
            if partition.open:
                return f"a transaction is open in {place}"
            left_records, _ = partition.read(position, 1, committed=True)
            if left_records:
                return f"{place} is read up to {position} of {partition.stable}"
            behind = partition.stable - self.brokers.group(GROUP).offsets.get(place, 0)
            if behind:
                return f"Kafka's offset in {place} is {behind} behind"
        return ""

    def _waits(self, record: Mapping[str, Any]) -> bool:
        """Whether all that is left of a commit record is for the partition that is sick."""
        if self._sick is None:
            return False
        left = record.get("unsent")
        keys = [e["key"] for e in record["events"] if left is None or e["id"] in left]
        partition = DefaultPartitioner()
        return all(partition(key.encode(), [0, 1], [0, 1]) == self._sick for key in keys)

    def documents(self, collection: str) -> list[dict[str, Any]]:
        """What a collection holds, as the primary has it."""
        data = self.server.data.get(f"{DATABASE}.{collection}")
        return [] if data is None else [document for _, document in data.at(self.server.time)]

    def inputs(self) -> list[TopicPartition]:
        """The partitions that the service reads."""
        return [TopicPartition(INPUT, 0), TopicPartition(INPUT, 1)]

    def position(self, place: TopicPartition) -> int:
        """How far the database says that it was read."""
        id_ = f"{GROUP}|{place.topic}|{place.partition}"
        return next((one["next"] for one in self.documents("positions") if one["_id"] == id_), 0)


async def _later(seconds: float, work: Any) -> None:
    await asyncio.sleep(seconds)
    await work
