"""The one place where the service is wired."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from services.reports import api, handlers, subscribers
from services.reports.adapters import persian
from services.reports.domain import decisions
from services.reports.domain.catalogue import CATALOGUES
from services.reports.domain.records import Recipient
from services.reports.events import Addresses
from services.reports.handlers import HandlerContext
from services.reports.settings import ReportsSettings
from services.reports.store import (
    MongoCircularRepository,
    MongoExpectationRepository,
    MongoReadLog,
)
from shared.contracts.reference import DEPUTY_TITLES_FA
from shared.runtime.metrics import Metrics
from shared.service.host import Host
from shared.service.sources import source_of

SERVICE = "reports"


def build(settings: ReportsSettings) -> tuple[Host, FastAPI]:
    """Wire the service: one consumer group, one database, a relay and a sweeper."""
    host = Host(SERVICE, settings, Metrics())
    topics = host.topics
    context = HandlerContext(
        catalogues=CATALOGUES,
        restricted=frozenset(settings.restricted_axes),
        recipients=_deputies(settings.known_deputies),
        addresses=Addresses(topics.reports, topics.reports_restricted, topics.circulars),
        scheduler=source_of("scheduler"),
    )
    ledger = host.ledger(SERVICE)
    store = MongoExpectationRepository(ledger)
    circulars = MongoCircularRepository(ledger)
    reads = MongoReadLog(ledger)
    host.prepare(store.prepare)
    host.prepare(reads.prepare)
    host.consume(
        SERVICE,
        [topics.sessions],
        handle=subscribers.sessions(store, context, host.clock),
        save=store.save,
        database=ledger.database,
        refusals=decisions.OF_EVENTS,
    )
    sends = [topics.reports, topics.reports_restricted, topics.circulars]
    host.recover_from(
        ledger.database,
        sends,
        partial(handlers.recover, store=store, circulars=circulars, context=context),
    )
    host.sweep(ledger.database, partial(handlers.sweep, store, context), store.due_queue)
    routes = api.routes(api.ApiContext(store, circulars, context, reads), host.clock)
    return host, host.app("Peygir: reports", [routes], sends, persian=persian.CATALOGUE)


def _deputies(known: tuple[str, ...]) -> tuple[Recipient, ...]:
    return tuple(Recipient("deputy", id_, DEPUTY_TITLES_FA.get(id_, id_)) for id_ in known)
