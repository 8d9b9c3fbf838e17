"""One process of a small service, built of the real delivery code on simulated servers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast

from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from shared.contracts.topics import Topics
from shared.messaging.core.model import Decision, Message
from shared.messaging.core.retrying import retry_transient
from shared.messaging.core.stalls import Stalls
from shared.messaging.inbound.consumer import Consumer
from shared.messaging.inbound.deadletters import DeadLetters
from shared.messaging.inbound.flood import FloodLimit
from shared.messaging.kafka.connection import plain
from shared.messaging.kafka.publisher import Publisher
from shared.messaging.ledger.deferral import DeferralLimit
from shared.messaging.ledger.leases import Lease
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.ledger.rollback import RollbackDetector
from shared.messaging.outbox.relay import Relay
from shared.messaging.recovery.recovery import OwnedTopics, Recovery
from shared.messaging.scheduling.leased_task import LeasedTask
from shared.messaging.scheduling.sweeper import Sweeper
from shared.runtime import mongo
from shared.runtime.metrics import Metrics
from tests.simulation.cases import DEPUTY, TOLD, Draft
from tests.simulation.clocks import SharedDomainClock, SimulatedMachineClock
from tests.simulation.kafka.producer import SimulatedProducer
from tests.simulation.kafka.readers import readers
from tests.simulation.loop import Process, SimulatedLoop
from tests.simulation.mongo.client import SimulatedClient
from tests.simulation.mongo.server import ReplicaSet
from tests.simulation.store import Store

SERVICE: Final = "followups"
SOURCE: Final = "urn:peygir:followups"
GROUP: Final = "cases"
DATABASE: Final = "cases"
TOPICS: Final = Topics((DEPUTY,))
INPUT: Final = TOPICS.resolutions(DEPUTY)

_LEASE_SECONDS: Final = 5.0
_CHECK_SECONDS: Final = 2.0
_WATCH_SECONDS: Final = 2.0
_POLL_MS: Final = 2_000
_SWEEP_SECONDS: Final = 1.5


class _Silent:
    """Metrics that nobody reads."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return _say_nothing


def _say_nothing(*_: object, **__: object) -> None:
    pass


SILENT: Final = cast(Metrics, _Silent())


async def _topics(_: object) -> set[str]:
    return {TOLD}


class Replica:
    """One process: what `shared.service.host` wires, without HTTP and FastStream."""

    def __init__(
        self,
        process: Process,
        loop: SimulatedLoop,
        server: ReplicaSet,
        rng: random.Random,
        clock: SimulatedMachineClock,
        connect: Callable[..., SimulatedProducer],
        options: Mapping[str, Any],
    ) -> None:
        """`options`: what differs from the service as it runs, to bring old defects back."""
        self.process = process
        self.clock = clock
        self._loop = loop
        self._options = options
        self.client = SimulatedClient(server, rng)
        client = cast(mongo.Client, self.client)
        database = mongo.database(client, DATABASE)
        self.detector = RollbackDetector(database)
        server.on_loss.append(self.detector.suspect)
        self._publisher = Publisher(plain("kafka:9092"), client_id=SERVICE, connect=connect)
        dead = DeadLetters(
            service=SERVICE,
            source=SOURCE,
            topics=TOPICS,
            publisher=self._publisher,
            clock=clock,
        )
        stalls = Stalls(SILENT)
        holder = process.name
        relay_lease = Lease(database, "relay", holder, _LEASE_SECONDS)
        self._relay = Relay(
            database,
            lease=relay_lease,
            publisher=self._publisher,
            source=SOURCE,
            metrics=SILENT,
            clock=clock,
            detector=self.detector,
            poll_seconds=0.6,
            stalls=stalls,
        )
        self.ledger = Ledger(database, clock=clock, detector=self.detector, wake=self._relay.wake)
        self.store = Store(self.ledger)
        self.domain = SharedDomainClock(loop)
        self.consumer: Consumer[Draft] = Consumer(
            group=GROUP,
            topics=(INPUT,),
            handle=self._handle,
            save=self.store.save,
            database=database,
            dead_letters=dead,
            metrics=SILENT,
            clock=clock,
            limit=FloodLimit(),
            deferral=DeferralLimit(),
            on_history_change=self.detector.report,
            stalls=stalls,
        )
        self._kafka = readers().SteadyConsumer(
            INPUT,
            TOPICS.replay(SERVICE),
            group_id=GROUP,
            auto_offset_reset=options.get("auto_offset_reset", "none"),
            isolation_level=options.get("isolation_level", "read_committed"),
            listener=self.consumer.listener,
            on_offset_lost=self.consumer.wake_up.wake,
        )
        self.kafka = self._kafka
        sweeper = Sweeper(
            database,
            self.store.sweep,
            self.store.due_queue,
            clock=self.domain,
            noted_every=timedelta(minutes=1),
        )
        sweep_lease = Lease(database, "sweeper", holder, _LEASE_SECONDS)
        self._duties = [
            self._leased_task(relay_lease, self._relay.flush, self._relay.rest),
            self._leased_task(sweep_lease, partial(sweeper.run, sweep_lease), self._between_sweeps),
        ]
        self._recovery = Recovery(
            plain("kafka:9092"), SOURCE, _topics, connect=readers().ForgivingConsumer
        )
        self._own = OwnedTopics(database, (TOLD,), self.store.take_in)
        self.ready = False
        self.ended: asyncio.Future[BaseException] = loop.create_future()

    def _leased_task(self, lease: Lease, work: Any, rest: Any) -> LeasedTask:
        return LeasedTask(
            lease,
            work=work,
            rest=rest,
            clock=self.clock,
            metrics=SILENT,
            lease_seconds=_LEASE_SECONDS,
        )

    async def _between_sweeps(self) -> None:
        await self.clock.sleep(_SWEEP_SECONDS)

    async def _handle(self, messages: Sequence[Message]) -> Decision[Draft]:
        return await self.store.take(messages, await self.domain.now())

    # -- its life -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; `ended` comes true when a part has failed, which ends a process."""
        self._part(self._main())

    def _part(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.spawn(self.process, work)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.ended.done():
            self.ended.set_result(error)

    async def _main(self) -> None:
        async for attempt in retry_transient("mongodb", self.clock, longest_seconds=0.5):
            with attempt:
                await self.store.prepare()
        async for attempt in retry_transient("own topics", self.clock, longest_seconds=0.5):
            with attempt:
                await self._recovery.run(self._own)
        self.ready = True
        for task in self._duties:
            self._part(task.run())
        self._part(self._read())
        self._part(self._look())

    async def _read(self) -> None:
        async for attempt in retry_transient("kafka", self.clock, longest_seconds=0.5):
            with attempt:
                await self._kafka.start()
        self._part(self._check())
        while True:
            try:
                found = await self._kafka.getmany(timeout_ms=_POLL_MS, max_records=500)
            except KafkaError:
                await self.clock.sleep(0.1)
                continue
            records = tuple(record for batch in found.values() for record in batch)
            if records:
                await self.consumer.consume(records, cast(Any, self._kafka))

    async def _check(self) -> None:
        while True:
            async for attempt in retry_transient("positions", self.clock):
                with attempt:
                    await self.consumer.check(cast(Any, self._kafka))
            await self.consumer.wake_up.wait(_CHECK_SECONDS)

    async def _look(self) -> None:
        while True:
            with suppress(PyMongoError):  # a server that is away proves nothing: look again
                await self.detector.check()
            await self.clock.sleep(_WATCH_SECONDS)
