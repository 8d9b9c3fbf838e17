"""The one place where the service is wired."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from services.scheduler import api, handlers
from services.scheduler.adapters import persian
from services.scheduler.handlers import HandlerContext
from services.scheduler.settings import SchedulerSettings
from services.scheduler.store import MongoSchedulerRepository
from shared.runtime.calendar import WorkingCalendar
from shared.runtime.metrics import Metrics
from shared.service.host import Host

SERVICE = "scheduler"


def build(settings: SchedulerSettings) -> tuple[Host, FastAPI]:
    """Wire the service: a database, and a relay.

    It reads only its own topics, and only to recover what its database has lost.
    """
    host = Host(SERVICE, settings, Metrics())
    ledger = host.ledger(SERVICE)
    store = MongoSchedulerRepository(ledger)
    host.prepare(store.prepare)
    context = HandlerContext(
        calendar=WorkingCalendar.iran(settings.thursday_off, settings.holidays_file),
        report_lead=settings.report_lead,
        deputies=settings.known_deputies,
        topics=host.topics,
    )
    sends = [host.topics.sessions, *map(host.topics.resolutions, settings.known_deputies)]
    host.recover_from(ledger.database, sends, partial(handlers.recover, store=store, waiting={}))
    routers = api.routes(api.ApiContext(store, context, host.clock))
    return host, host.app("Peygir: scheduler", routers, sends, persian=persian.CATALOGUE)
