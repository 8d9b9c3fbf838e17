"""What every service process consists of, wired once. Nothing connects before `run`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

import structlog
import uvicorn
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, FastAPI, Request
from pymongo.errors import PyMongoError
from starlette.responses import Response

from shared.contracts.topics import Topics
from shared.messaging.core.classification import FailureKind, classify
from shared.messaging.core.errors import HistoryChanged, Stale, StillRecovering
from shared.messaging.core.failpoints import FailpointHook, UnknownFailpoint, kill_at, no_faults
from shared.messaging.core.retrying import START_SECONDS, retry_transient
from shared.messaging.core.stalls import StalledPart, Stalls
from shared.messaging.core.wake_up import WakeUp
from shared.messaging.inbound.consumer import Consumer, Handle, Save
from shared.messaging.inbound.deadletters import DeadLetters
from shared.messaging.inbound.flood import FloodLimit
from shared.messaging.inbound.subscription import Subscription
from shared.messaging.kafka.publisher import Publisher
from shared.messaging.ledger.deferral import DeferralLimit
from shared.messaging.ledger.leases import Lease
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.ledger.rollback import RollbackDetector
from shared.messaging.outbox.relay import Relay
from shared.messaging.recovery.progress import RecoveryProgress
from shared.messaging.recovery.recovery import OwnedTopics, Recover, Recovery
from shared.messaging.scheduling.clock_skew import ClockSkewGuard
from shared.messaging.scheduling.leased_task import LeasedTask
from shared.messaging.scheduling.sweeper import DueItems, Sweep, Sweeper
from shared.runtime import mongo
from shared.runtime.asyncapi import asyncapi
from shared.runtime.clocks import NoTime, SystemMachineClock
from shared.runtime.health import Health, Unhealthy
from shared.runtime.http import LongBody, create_app
from shared.runtime.identity import OpenIdentity
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database
from shared.runtime.persian import SHARED, Catalogue, Persian
from shared.runtime.problems import Problem, internal, respond, unavailable
from shared.runtime.sentences import sentence
from shared.runtime.settings import CommonSettings, refuse
from shared.runtime.simulation import SimulatedDomainClock, domain_clock
from shared.runtime.version import VERSION
from shared.service import operations

_log = structlog.get_logger(__name__)

_GAUGES_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 15
_KEEP_ALIVE_SECONDS: Final = 75  # longer than proxies and clients keep a connection: they close it
_AWAY_SECONDS: Final = 2.0  # an election of a new primary is waited for
_COLLECTED_AFTER: Final = (10_000, 20, 50)  # allocations; collections of the younger generation
_NOTED_EVERY: Final = {"system": timedelta(minutes=1), "simulated": timedelta(0)}  # by the clock

C = TypeVar("C")
Action = Callable[[], Awaitable[object]]
BackgroundTask = Callable[[], Coroutine[Any, Any, None]]


def source_of(service: str) -> str:
    """The `ce_source` of a service of ours."""
    return f"urn:peygir:{service}"


class Host:
    """One service process: its clocks, clients, topics and parts.

    A service's `app.py` builds one, adds what it reads, publishes and does by the clock, and runs
    it. Which of these parts run here `PEYGIR_RUN` says.
    """

    def __init__(self, service: str, settings: CommonSettings, metrics: Metrics) -> None:
        self.service = service
        self.settings = settings
        self.metrics = metrics
        self.machine = SystemMachineClock()
        uri = settings.mongodb_uri.get_secret_value()
        self._link = mongo.Link()
        self.client = mongo.connect(uri, app=service, lost=self._doubt, link=self._link)
        self.clock = domain_clock(settings, self.client)
        self._clock_skew = ClockSkewGuard(self.machine, partial(mongo.server_time, self.client))
        self.topics = Topics(settings.known_deputies, settings.namespace)
        self.source = source_of(service)
        self._failpoint = _reach(settings)
        self._holder = f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"
        bootstrap = settings.kafka_bootstrap_servers
        self._stalls = Stalls(metrics)
        self._publisher = Publisher(bootstrap, client_id=service)
        self._dead_letters = DeadLetters(
            service=service,
            source=self.source,
            topics=self.topics,
            publisher=self._publisher,
            clock=self.machine,
        )
        self._levels = RecoveryProgress(
            Recovery(bootstrap, self.source, self._publisher.topics),
            stalls=self._stalls,
            clock=self.machine,
        )
        self._rollback_detectors: dict[str, RollbackDetector] = {}  # by the name of the database
        self._preparations: list[Action] = []
        self._gauges: list[Action] = []
        self._parts: list[BackgroundTask] = []
        self._wake_ups: list[WakeUp] = []  # of everything that is done by the clock
        if isinstance(self.clock, SimulatedDomainClock):
            self._parts.append(partial(self._heed, self.clock))
        self._prepared = False
        self._read_into: dict[str, Database] = {}
        self._receives: set[str] = set()
        self.health = Health()
        self.health.register("kafka", self._check_kafka)
        self.health.register("mongodb", self._check_mongodb)

    # -- what a service is made of ------------------------------------------------------------

    def database(self, name: str) -> Database:
        """A database of this service, whichever process serves it."""
        return mongo.database(self.client, self.settings.namespace + name)

    def ledger(self, name: str) -> Ledger:
        """A database of this service with its ledger, and the relay that publishes it."""
        database = self.database(name)
        watch = self._rollback_detectors.setdefault(database.name, RollbackDetector(database))
        lease = self._lease(database, "relay")
        relay = Relay(
            database,
            lease=lease,
            publisher=self._publisher,
            source=self.source,
            metrics=self.metrics,
            clock=self.machine,
            watch=watch,
            stalls=self._stalls,
            failpoint=self._failpoint,
        )
        ledger = Ledger(
            database, clock=self.machine, watch=watch, wake=relay.wake, failpoint=self._failpoint
        )
        self.prepare(ledger.prepare)
        if "relay" in self.settings.run:
            self._leased_task(database, lease, relay.flush, relay.rest)
            self.gauge(partial(self._show_outbox, relay, database.name))
        return ledger

    def consume(
        self,
        group: str,
        topics: Sequence[str],
        *,
        handle: Handle[C],
        save: Save[C],
        database: Database,
    ) -> None:
        """Read topics, and this service's mended dead letters, as one consumer group."""
        settings = self.settings
        consumer = Consumer(
            group=settings.namespace + group,
            handle=handle,
            save=save,
            topics=topics,
            database=database,
            dead_letters=self._dead_letters,
            metrics=self.metrics,
            clock=self.machine,
            limit=FloodLimit(settings.flood_window, settings.flood_share, settings.flood_minimum),
            deferral=DeferralLimit(timedelta(seconds=settings.deferred_seconds)),
            tell=self._rollback_detectors[database.name].tell,
            stalls=self._stalls,
            failpoint=self._failpoint,
        )
        self._receives.update(topics)
        self._read_into[database.name] = database
        if "consumer" in settings.run:
            subscription = Subscription(
                consumer,
                [*topics, self.topics.replay(self.service)],
                settings.kafka_bootstrap_servers,
                client_id=self.service,
                clock=self.machine,
                stalls=self._stalls,
                existing=self._publisher.topics,
                batch_max_records=settings.batch_max_records,
                drain_seconds=_DRAIN_SECONDS,
            )
            self._parts.append(partial(self._when_level, database, subscription.run))

    def by_the_clock(
        self,
        database: Database,
        name: str,
        work: Callable[[Lease], Awaitable[object]],
        wake_up: WakeUp | None = None,
    ) -> None:
        """Do something again and again, in one process at a time: a sweeper.

        It waits while this machine's clock and MongoDB's differ by more than a minute. Where it is
        this process that does it, `bell` calls it before its time.
        """
        if "sweeper" in self.settings.run:
            lease, heard = self._lease(database, name), wake_up or WakeUp()
            self._wake_ups.append(heard)
            rest = partial(heard.wait, self.settings.sweep_seconds)
            self._leased_task(database, lease, partial(self._in_time, work, lease), rest)

    def sweep(
        self,
        database: Database,
        sweep: Sweep,
        due_queue: DueItems,
        swept: Callable[[datetime], None] = lambda _: None,
    ) -> None:
        """Do what has come due by the domain clock, and put off what cannot be done.

        `swept` is told when (UTC) all was done.
        """
        sweeper = Sweeper(
            database,
            sweep,
            due_queue,
            clock=self.clock,
            noted_every=_NOTED_EVERY[self.settings.clock],
            swept=lambda: swept(self.machine.now()),
        )
        self.by_the_clock(database, "sweeper", sweeper.run)
        self.gauge(partial(self._show_put_off, database, due_queue))

    def own(self, database: Database, topics: Sequence[str], take_in: Recover) -> None:
        """Bring a database level with the topics that it alone publishes to, before all else."""
        self._levels.add(OwnedTopics(database, topics, take_in))

    def apart(self, database: Database) -> Callable[[], None]:
        """Serve requests also while this database is not level yet (`RecoveryProgress.apart`)."""
        return self._levels.apart(database)

    def prepare(self, work: Action) -> None:
        """Do something once, before any part begins: create indexes."""
        self._preparations.append(work)

    def now_and_then(self, work: Action, every_seconds: float) -> None:
        """Do something again and again that does no harm if several processes do it at once.

        By this machine's clock, and without a lease, which would cost more than it spares.
        """
        if "sweeper" in self.settings.run:
            self._parts.append(partial(self._repeat, work, every_seconds))

    def gauge(self, work: Action) -> None:
        """Do something every two seconds: bring gauges up to date."""
        self._gauges.append(work)

    def app(
        self,
        title: str,
        routers: Iterable[APIRouter],
        sends: Iterable[str],
        long_bodies: Iterable[LongBody] = (),
        persian: Catalogue | None = None,
    ) -> FastAPI:
        """The HTTP of this process: its routes where it runs `api`, and the common ones.

        `persian` are the service's own words for its problems.
        """
        receives = self._receives | {self.topics.replay(self.service)}
        sent = {*sends, self.topics.deadletter(self.service), self.topics.rejections}
        app = create_app(
            persian=Persian(SHARED, *([] if persian is None else [persian])),
            title=title,
            version=VERSION,
            health=self.health,
            metrics=self.metrics,
            authenticator=OpenIdentity(self.settings.known_deputies),
            body_limit=self.settings.body_limit_bytes,
            long_bodies=long_bodies,
            asyncapi=lambda: asyncapi(self.service, sent, receives, self.topics, VERSION),
        )
        app.add_exception_handler(Stale, _busy)
        app.add_exception_handler(PyMongoError, _unavailable)
        app.add_exception_handler(StillRecovering, _unavailable)
        app.add_exception_handler(HistoryChanged, _restored)
        if "api" in self.settings.run:
            databases = tuple(self._read_into.values())
            for router in (*routers, operations.routes(databases, self.machine)):
                app.include_router(
                    router, prefix="/v1", dependencies=[Depends(self._require_database)]
                )
        return app

    # -- its life -----------------------------------------------------------------------------

    def run(self, app: FastAPI) -> None:
        """Serve HTTP and run the parts until SIGTERM or SIGINT.

        A part that fails ends the process.
        """
        if self.settings.env == "development":
            _log.warning(
                "OPEN: whoever reaches this address may do everything; not for real data",
                address=f"{self.settings.http_host}:{self.settings.http_port}",
            )
        asyncio.run(self._run(app))

    async def _run(self, app: FastAPI) -> None:
        server = _Server(
            uvicorn.Config(
                app,
                host=self.settings.http_host,
                port=self.settings.http_port,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )
        loop = asyncio.get_running_loop()
        for told in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(told, server.stop)
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(self._work())
                await server.serve()
                work.cancel()
        finally:
            await self._publisher.stop()
            self.client.close()

    async def _work(self) -> None:
        database = StalledPart("preparation", self.service)
        async for attempt in retry_transient(
            "mongodb", self.machine, longest_seconds=START_SECONDS
        ):
            with attempt, self._stalls.shown(database):
                await self._require_replica_set()
                for prepare in self._preparations:
                    await prepare()
        self._prepared = True
        async with asyncio.TaskGroup() as group:
            for part in (*self._parts, self._level, self._keep_gauges, self._rollback):
                group.create_task(part())

    async def _level(self) -> None:
        await self._levels.reach()
        _spare_what_stays()
        _log.info("ready to work", run=sorted(self.settings.run))

    async def _when_level(self, database: Database, part: BackgroundTask) -> None:
        await self._levels.reached(database)
        await part()

    async def _require_replica_set(self) -> None:
        try:
            await mongo.require_replica_set(self.client)
        except mongo.NoReplicaSet as error:
            refuse("PEYGIR_MONGODB_URI", str(error))

    def _leased_task(
        self, database: Database, lease: Lease, work: Action, rest: BackgroundTask
    ) -> None:
        task = LeasedTask(
            lease,
            work=work,
            rest=rest,
            clock=self.machine,
            metrics=self.metrics,
            lease_seconds=self.settings.lease_seconds,
        )
        self._parts.append(partial(self._when_level, database, task.run))

    def _lease(self, database: Database, name: str) -> Lease:
        return Lease(database, name, self._holder, self.settings.lease_seconds)

    async def _repeat(self, work: Action, every_seconds: float) -> None:
        while True:
            async for attempt in retry_transient("what is done now and then", self.machine):
                with attempt:
                    await work()
            await self.machine.sleep(every_seconds)

    async def _in_time(self, work: Callable[[Lease], Awaitable[object]], lease: Lease) -> None:
        if await self._clock_skew.holds():
            await work(lease)

    async def _heed(self, clock: SimulatedDomainClock) -> None:
        """Wake whatever rests between two looks at the clock when its time is set."""
        async for attempt in retry_transient(self.settings.clock, self.machine):
            with attempt:
                async for _ in clock.moves():
                    for wake_up in self._wake_ups:
                        wake_up.wake()

    async def _keep_gauges(self) -> None:
        while True:
            for gauge in self._gauges:
                try:
                    await gauge()
                except PyMongoError as error:  # whatever it is, nothing hangs on a figure
                    _log.warning("gauge not shown", error=f"{type(error).__name__}: {error}")
            await self.machine.sleep(_GAUGES_SECONDS)

    def _doubt(self) -> None:
        for watch in self._rollback_detectors.values():
            watch.doubt()

    async def _rollback(self) -> None:
        """Look whether a database went back in time. Raises HistoryChanged, which ends it all."""
        while True:
            for watch in self._rollback_detectors.values():
                with suppress(PyMongoError):  # away is not back in time; the next look tells
                    await watch.look()
            await self.machine.sleep(_GAUGES_SECONDS)

    async def _show_outbox(self, relay: Relay, name: str) -> None:
        pending, oldest = relay.pending()
        age = 0.0 if oldest is None else (self.machine.now() - oldest).total_seconds()
        self.metrics.set_outbox(name, pending, max(0.0, age))

    async def _show_put_off(self, database: Database, due_queue: DueItems) -> None:
        try:
            now = await self.clock.now()
        except NoTime:  # nothing is due before the simulated time begins
            return
        self.metrics.set_put_off(database.name, await due_queue.snoozed(now))

    async def _require_database(self) -> None:
        """Nothing is decided on a database that may not hold yet what its topics do.

        Nor does a request wait, with a thread of the driver, for one that is known to be away.
        """
        if not self._is_prepared:
            raise unavailable("The database is being prepared (see /readyz); try again")
        if self._is_away():
            raise unavailable("The database does not answer (see /readyz); try again")

    @property
    def _is_prepared(self) -> bool:
        return self._prepared and self._levels.are_enough

    def _is_away(self) -> bool:
        return self._link.away_seconds() > _AWAY_SECONDS

    async def _check_kafka(self) -> None:
        try:
            await self._publisher.topics()
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unhealthy(f"kafka does not answer ({type(error).__name__})") from error

    async def _check_mongodb(self) -> None:
        try:
            await mongo.ping(self.client)
        except PyMongoError as error:
            raise Unhealthy(f"mongodb does not answer ({type(error).__name__})") from error
        if self._is_away():  # the driver tells of its return a second late
            raise Unhealthy("mongodb has only just come back")
        if not self._is_prepared:
            raise Unhealthy("indexes and history are being prepared")


def _spare_what_stays() -> None:
    """Let the garbage collector look at what comes from now on alone, and in larger portions.

    Python's own thresholds make it walk through all modules again and again while records pass
    by: a fifth of a busy process's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


def _reach(settings: CommonSettings) -> FailpointHook:
    if not settings.fault:
        return no_faults
    try:
        return kill_at(settings.fault)
    except UnknownFailpoint as error:
        refuse("PEYGIR_FAULT", str(error))


class _Server(uvicorn.Server):
    """Uvicorn without its way with signals, which ends the process before the parts have."""

    def stop(self) -> None:
        """Answer what is under way and take nothing new."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _busy(request: Request, _: Exception) -> Response:
    why = "Others change the same at this moment; try again"
    return respond(Problem(409, "busy", "Changed by others meanwhile", why), request.scope)


async def _restored(request: Request, _: Exception) -> Response:
    why = "The database was restored from an older copy; this process starts anew, try again"
    return respond(unavailable(why), request.scope)


async def _unavailable(request: Request, error: Exception) -> Response:
    if classify(error) is not FailureKind.TRANSIENT:
        _log.error("request failed in the database", exc_info=error)
        return respond(internal(), request.scope)
    name = type(error).__name__
    why = sentence("The database does not answer ({error}); try again", error=name)
    return respond(unavailable(why), request.scope)
