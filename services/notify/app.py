"""The one place where the service is wired."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from services.notify import api, handlers, subscribers
from services.notify.adapters import persian
from services.notify.adapters.addresses import Addresses
from services.notify.adapters.mails import MailRenderer
from services.notify.adapters.smtp import SmtpTransport
from services.notify.domain import refusals
from services.notify.domain.notices import Trouble
from services.notify.handlers import HandlerContext
from services.notify.jobs import Dispatcher
from services.notify.settings import NotifySettings
from services.notify.store import MongoNoticeRepository
from shared.messaging.core.wake_up import WakeUp
from shared.runtime.service_metrics import NotifyMetrics
from shared.service.host import Host

SERVICE = "notify"


def build(settings: NotifySettings) -> tuple[Host, FastAPI]:
    """Wire the service: one consumer group, a relay, and the dispatcher of mails."""
    metrics = NotifyMetrics()
    host = Host(SERVICE, settings, metrics)
    topics = host.topics
    ledger = host.ledger(SERVICE)
    wake_up = WakeUp()
    store = MongoNoticeRepository(ledger, on_new=wake_up.wake)
    deputies = {
        name(deputy): deputy
        for name in (topics.resolutions, topics.followups)
        for deputy in settings.known_deputies
    }
    context = HandlerContext(
        topics.notices, deputies, settings.mail_retry_seconds, settings.mail_tries_most
    )
    host.prepare(store.prepare)
    host.recover_from(ledger.database, [topics.notices], partial(handlers.recover, store=store))
    host.consume(
        SERVICE,
        [topics.sessions, topics.reports, *deputies],
        handle=subscribers.notifications(store, context, host.clock, host.machine),
        save=store.save,
        database=ledger.database,
        refusals=refusals.OF_EVENTS,
    )
    dispatcher = Dispatcher(
        store,
        _transport(settings),
        context,
        clock=host.clock,
        machine=host.machine,
        away=metrics.set_mail_server_away,
    )
    host.run_leased(ledger.database, "delivery", dispatcher.deliver, wake_up)
    host.gauge(partial(_show_waiting, store, metrics), metrics.hide_stored)
    routes, title = [api.routes(store)], "Peygir: notices"
    return host, host.app(title, routes, [topics.notices], persian=persian.CATALOGUE)


async def _show_waiting(store: MongoNoticeRepository, metrics: NotifyMetrics) -> None:
    metrics.set_waiting(await store.count_waiting())
    put_off = await store.count_put_off()
    for trouble in Trouble:
        metrics.set_troubled(trouble.value, put_off.get(trouble, 0))


def _transport(settings: NotifySettings) -> SmtpTransport:
    addresses = Addresses(settings.mail_domain, settings.addresses())
    return SmtpTransport(
        MailRenderer(addresses, settings.mail_from),
        host=settings.smtp_host,
        port=settings.smtp_port,
        tls=settings.smtp_tls,
        ca_file=settings.smtp_ca_file,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value(),
        timeout_seconds=settings.smtp_timeout_seconds,
    )
