"""The one place where the service is wired."""

from __future__ import annotations

from fastapi import FastAPI

from services.scheduler import api
from services.scheduler.handlers import Rules
from services.scheduler.settings import SchedulerSettings
from services.scheduler.store import MongoRegister
from shared.messaging.host import Host
from shared.runtime.calendar import WorkingCalendar
from shared.runtime.metrics import Metrics

SERVICE = "scheduler"


def build(settings: SchedulerSettings) -> tuple[Host, FastAPI]:
    """Wire the service: a database, and the relay that publishes it. It reads no topic."""
    host = Host(SERVICE, settings, Metrics())
    register = MongoRegister(host.ledger(SERVICE))
    host.prepare(register.prepare)
    rules = Rules(
        calendar=WorkingCalendar.iran(settings.thursday_off, settings.holidays_file),
        report_lead=settings.report_lead,
        deputies=settings.known_deputies,
        topics=host.topics,
    )
    sends = [host.topics.sessions, *map(host.topics.resolutions, settings.known_deputies)]
    routers = api.routes(api.Desk(register, rules, host.clock))
    return host, host.app("Peygir: scheduler", routers, sends)
