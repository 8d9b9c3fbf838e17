"""What every service process consists of, wired once. Nothing connects before `run`."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeAlias, TypeVar

from fastapi import APIRouter, FastAPI

from shared.contracts.topics import Topics
from shared.messaging.core.stalls import Stalls
from shared.messaging.core.wake_up import WakeUp
from shared.messaging.inbound.consumer import Consumer, Handle, Save
from shared.messaging.inbound.deadletters import DeadLetters
from shared.messaging.inbound.flood import FloodLimit
from shared.messaging.inbound.subscription import Subscription
from shared.messaging.kafka.connection import connection_of
from shared.messaging.kafka.publisher import Publisher
from shared.messaging.ledger.deferral import DeferralLimit
from shared.messaging.ledger.leases import Lease
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.ledger.rollback import RollbackDetector
from shared.messaging.outbox.relay import Relay
from shared.messaging.recovery.progress import RecoveryProgress
from shared.messaging.recovery.recovery import OwnedTopics, Recover, Recovery
from shared.messaging.scheduling.clock_following import follow_clock
from shared.messaging.scheduling.clock_skew import ClockSkewGuard
from shared.messaging.scheduling.leased_task import LeasedTask
from shared.messaging.scheduling.sweeper import DueItems, Sweep, Sweeper
from shared.runtime import mongo
from shared.runtime.asyncapi import asyncapi
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.health import Health
from shared.runtime.http import LongBody
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database
from shared.runtime.persian import Catalogue
from shared.runtime.refusals import Refused
from shared.runtime.settings import CommonSettings
from shared.runtime.simulation import SimulatedDomainClock, domain_clock
from shared.runtime.version import VERSION
from shared.service import gauges, identity, operations, startup, web
from shared.service.lifecycle import DRAIN_SECONDS, Action, BackgroundTask, Lifecycle
from shared.service.readiness import Readiness
from shared.service.serving import serve
from shared.service.sources import Sources, source_of

_NOTED_EVERY: Final = {"system": timedelta(minutes=1), "simulated": timedelta(0)}  # by the clock

C = TypeVar("C")

LeasedWork: TypeAlias = Callable[[Lease], Awaitable[object]]


class Host:
    """One service process: its clocks, clients, topics and parts.

    A service's `app.py` builds one, adds what it reads, publishes and does at due times, and runs
    it. `PEYGIR_RUN` says which of these parts run in this process.
    """

    def __init__(self, service: str, settings: CommonSettings, metrics: Metrics) -> None:
        self.service, self.settings, self.metrics = service, settings, metrics
        self.machine = SystemMachineClock()
        self.topics = Topics(settings.known_deputies, settings.namespace)
        self.source = source_of(service)
        self._failpoint = startup.failpoint(settings)
        self._holder = f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"
        self._kafka = connection_of(settings)
        self._stalls = Stalls(metrics, self._kafka.principal)
        self._sources = Sources(settings)
        self._publisher = Publisher(self._kafka, client_id=service)
        self._dead_letters = DeadLetters(
            service=service,
            source=self.source,
            topics=self.topics,
            publisher=self._publisher,
            clock=self.machine,
        )
        self._recovery = RecoveryProgress(
            Recovery(self._kafka, self.source, self._publisher.existing, rule=self._sources.rule),
            stalls=self._stalls,
            clock=self.machine,
        )
        self._lifecycle = Lifecycle(
            service, settings.run, recovery=self._recovery, stalls=self._stalls, clock=self.machine
        )
        link, lost = mongo.Link(), self._lifecycle.suspect_rollback
        self.client = mongo.connect(settings.mongodb_address(), app=service, lost=lost, link=link)
        self.clock = domain_clock(settings, self.client)
        self._clock_skew = ClockSkewGuard(self.machine, partial(mongo.server_time, self.client))
        self._wake_ups: list[WakeUp] = []  # of all scheduled work
        self._lifecycle.prepare(partial(startup.require_replica_set, self.client))
        self._read_into: dict[str, Database] = {}
        self._receives: set[str] = set()
        self._readiness = Readiness(
            self.client,
            link,
            self._publisher,
            self._recovery,
            lambda: self._lifecycle.is_prepared,
            self._stalls.rights_lacking if settings.asks_for_rights else None,
        )
        self.health = Health()
        self._readiness.register(self.health)
        self._authenticator = identity.wire(
            settings, self.machine, self._sources.integrators, self._lifecycle, self.health
        )
        self.operations_app: FastAPI | None = None  # if operators have a port of their own

    # -- the parts of a service ---------------------------------------------------------------

    def database(self, name: str) -> Database:
        """A database of this service, also if another process serves it."""
        return mongo.database(self.client, self.settings.namespace + name)

    def ledger(self, name: str, *, publishes: bool = True) -> Ledger:
        """A database of this service with its ledger, and the relay that publishes its events.

        A read model has `publishes=False`: it has no relay, and its commits take no events. Counts
        (`Effects.tally`) travel with events, so it keeps its own.
        """
        database = self.database(name)
        detector = self._lifecycle.detect_rollback(database)
        relay = self._relay(database, detector) if publishes else None
        ledger = Ledger(
            database,
            clock=self.machine,
            detector=detector,
            wake=None if relay is None else relay.wake,
            failpoint=self._failpoint,
        )
        self.prepare(ledger.prepare)
        return ledger

    def _relay(self, database: Database, detector: RollbackDetector) -> Relay:
        lease = self._lease(database, "relay")
        relay = Relay(
            database,
            lease=lease,
            publisher=self._publisher,
            source=self.source,
            metrics=self.metrics,
            clock=self.machine,
            detector=detector,
            stalls=self._stalls,
            sign=self._sources.sign,
            failpoint=self._failpoint,
        )
        if "relay" in self.settings.run:
            self._leased_task(database, lease, relay.flush, relay.rest)
            show = partial(gauges.show_outbox, relay, database.name, self.metrics, self.machine)
            self.gauge(show)
        return relay

    def consume(
        self,
        group: str,
        topics: Sequence[str],
        *,
        handle: Handle[C],
        save: Save[C],
        database: Database,
        refusals: Iterable[type[Refused]] = (),
    ) -> None:
        """Read topics and replayed dead letters as one group; `refusals`: why `handle` refuses."""
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
            on_history_change=self._lifecycle.detect_rollback(database).report,
            stalls=self._stalls,
            rule=self._sources.rule,
            failpoint=self._failpoint,
        )
        self._receives.update(topics)
        gauges.expect_read(self.metrics, self.topics, topics, refusals)
        self._read_into[database.name] = database
        if "consumer" in settings.run:
            subscription = Subscription(
                consumer,
                [*topics, self.topics.replay(self.service)],
                self._kafka,
                client_id=self.service,
                clock=self.machine,
                stalls=self._stalls,
                existing=self._publisher.existing,
                batch_max_records=settings.batch_max_records,
                drain_seconds=DRAIN_SECONDS,
            )
            self._lifecycle.add(subscription.run, database)

    def run_leased(
        self,
        database: Database,
        name: str,
        work: LeasedWork,
        wake_up: WakeUp | None = None,
    ) -> None:
        """Do work again and again, in one process at a time, under the lease `name`.

        Nothing is done while this machine's clock and MongoDB's differ by more than a minute.
        `wake_up` ends the pause between two runs early, if this process holds the lease.
        """
        if "sweeper" in self.settings.run:
            lease, wake_up = self._lease(database, name), wake_up or WakeUp()
            self._wake_ups.append(wake_up)
            rest = partial(wake_up.wait, self.settings.sweep_seconds)
            self._leased_task(database, lease, partial(self._unless_skewed, work, lease), rest)

    def sweep(
        self,
        database: Database,
        sweep: Sweep,
        due_queue: DueItems,
        swept: Callable[[datetime], None] = lambda _: None,
    ) -> None:
        """Process what has come due by the domain clock, and put off what fails.

        `swept` is called with the machine time (UTC) when all was done.
        """
        sweeper = Sweeper(
            database,
            sweep,
            due_queue,
            clock=self.clock,
            noted_every=_NOTED_EVERY[self.settings.clock],
            swept=lambda: swept(self.machine.now()),
        )
        self.run_leased(database, "sweeper", sweeper.run)
        show = partial(gauges.show_snoozed, due_queue, database.name, self.metrics, self.clock)
        self.gauge(show, partial(self.metrics.hide_put_off, database.name))

    def recover_from(self, database: Database, topics: Sequence[str], take_in: Recover) -> None:
        """Recover a database from the topics that only it publishes to, before anything else."""
        self._recovery.add(OwnedTopics(database, topics, take_in))

    def make_optional(self, database: Database) -> Callable[[], None]:
        """Serve requests before this database has recovered (`RecoveryProgress.make_optional`)."""
        return self._recovery.make_optional(database)

    def prepare(self, work: Action) -> None:
        """Do something once before any part begins, such as creating indexes."""
        self._lifecycle.prepare(work)

    def run_periodically(self, work: Action, every_seconds: float) -> None:
        """Do something again and again that several processes may do at once.

        It takes no lease, which would cost more than it saves.
        """
        if "sweeper" in self.settings.run:
            self._lifecycle.repeat(work, every_seconds)

    def gauge(self, show: Action, hide: Callable[[], None] = lambda: None) -> None:
        """Set gauges every two seconds; `hide` them while their database does not answer."""
        self._lifecycle.gauge(show, hide)

    def app(
        self,
        title: str,
        routers: Iterable[APIRouter],
        sends: Iterable[str],
        long_bodies: Iterable[LongBody] = (),
        persian: Catalogue | None = None,
        pages: Iterable[APIRouter] = (),
    ) -> FastAPI:
        """The HTTP of this process: the common routes and, if it runs `api`, the service's own.

        `routers` come under /v1, `pages` have their own paths at the root. `persian` translates
        the service's problems.
        """
        receives = self._receives | {self.topics.replay(self.service)}
        sent = {*sends, self.topics.deadletter(self.service), self.topics.rejections}
        gauges.expect_sent(self.metrics, self.topics, sent)
        apps = web.build(
            self.settings,
            web.Routes(
                api=routers,
                operations=operations.routes(tuple(self._read_into.values()), self.machine),
                pages=pages,
                long_bodies=long_bodies,
                needs=self._readiness.require_database,
            ),
            title=title,
            health=self.health,
            metrics=self.metrics,
            authenticator=self._authenticator,
            asyncapi=lambda: asyncapi(self.service, sent, receives, self.topics, VERSION),
            persian=persian,
        )
        self.operations_app = apps.operations
        return apps.main

    # -- running ------------------------------------------------------------------------------

    def run(self, app: FastAPI) -> None:
        """Serve HTTP and run the parts until SIGTERM or SIGINT.

        A part that fails ends the process.
        """
        startup.warn_if_open(self.settings)
        if isinstance(self.clock, SimulatedDomainClock):
            self._lifecycle.add(partial(follow_clock, self.clock, self._wake_ups, self.machine))
        for show in gauges.of_process(self.health, self._clock_skew, self.settings, self.metrics):
            self.gauge(show)
        asyncio.run(self._run(app))

    async def _run(self, app: FastAPI) -> None:
        try:
            await serve(app, self.operations_app, self.settings, self._lifecycle.run, self.machine)
        finally:
            await self._publisher.stop()
            self.client.close()

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
            stalls=self._stalls,
        )
        self._lifecycle.add(task.run, database)

    def _lease(self, database: Database, name: str) -> Lease:
        return Lease(database, name, self._holder, self.settings.lease_seconds)

    async def _unless_skewed(self, work: LeasedWork, lease: Lease) -> None:
        if await self._clock_skew.agrees():
            await work(lease)
