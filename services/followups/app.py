"""Wires the service: the only place that knows all its parts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from fastapi import FastAPI

from services.followups import api, handlers, jobs, subscribers
from services.followups.adapters import chart, csv_file, persian, svg, timeline, xlsx_file
from services.followups.adapters.sheets import XlsxSheets
from services.followups.domain import refusals
from services.followups.domain.escalation import EscalationPolicy
from services.followups.domain.extensions import ExtensionRules
from services.followups.domain.scores import By, scorecard
from services.followups.handlers import HandlerContext
from services.followups.settings import FollowupsSettings
from services.followups.store import MongoFollowupRepository, MongoLinks
from shared.runtime.calendar import WorkingCalendar, tehran_date
from shared.runtime.clocks import DomainClock, NoTime
from shared.runtime.files import Uploads
from shared.runtime.identity import apply_absences
from shared.runtime.service_metrics import FollowupsMetrics
from shared.service.host import Host
from shared.service.sources import source_of

SERVICE = "followups"
FORMATS: Final[Mapping[str, api.Format]] = {
    "csv": api.Format(csv_file.MEDIA_TYPE, False, csv_file.write),
    "xlsx": api.Format(xlsx_file.MEDIA_TYPE, False, xlsx_file.write),
    "svg": api.Format(svg.MEDIA_TYPE, True, chart.write),
}
"""The file formats of scorecards besides JSON, by suffix."""

PICTURE: Final = api.Picture(svg.MEDIA_TYPE, timeline.write)

_CLEARED_EVERY_SECONDS: Final = 60.0


def build(settings: FollowupsSettings) -> tuple[Host, FastAPI]:
    """Wire the service: one consumer group, database, relay and sweeper per deputy."""
    metrics = FollowupsMetrics()
    host = Host(SERVICE, settings, metrics)
    calendar = WorkingCalendar.iran(settings.thursday_off, settings.holidays_file)
    links = MongoLinks(
        [host.database(f"{SERVICE}_{deputy}") for deputy in sorted(settings.known_deputies)]
    )
    escalation = escalation_policy_of(settings, calendar)
    rules = extension_rules_of(settings, calendar)
    contexts: dict[str, api.ApiContext] = {}
    for deputy in settings.deputies:
        ledger = host.ledger(f"{SERVICE}_{deputy}")
        store = MongoFollowupRepository(ledger, deputy, links)
        topic = host.topics.followups(deputy)
        scheduler = source_of("scheduler")
        context = HandlerContext(deputy, escalation, topic, scheduler, host.topics.resolutions)
        uploads = Uploads(store.files, host.machine, settings.evidence_abandoned_seconds)
        contexts[deputy] = api.ApiContext(
            store, context, uploads, host.make_optional(ledger.database)
        )
        host.prepare(store.prepare)
        show = partial(_set_gauges, store, deputy, metrics, host.clock)
        host.gauge(show, partial(metrics.hide_stored, deputy))
        host.consume(
            f"{SERVICE}-{deputy}",
            [host.topics.resolutions(deputy)],
            handle=subscribers.resolutions(store, context, host.clock),
            save=store.save,
            database=ledger.database,
            refusals=refusals.OF_EVENTS,
        )
        take_in = partial(handlers.recover, store=store, context=context)
        host.recover_from(ledger.database, [topic], take_in)
        host.sweep(
            ledger.database,
            partial(handlers.sweep, store, context),
            store.due_queue,
            swept=partial(metrics.swept, deputy),
        )
        every_seconds = min(_CLEARED_EVERY_SECONDS, settings.evidence_abandoned_seconds / 4)
        host.run_periodically(partial(jobs.clear, uploads), every_seconds)
    sends = [host.topics.followups(deputy) for deputy in settings.deputies]
    routes = api.routes(contexts, rules, host.clock, FORMATS, XlsxSheets(), PICTURE)
    long_bodies = api.long_bodies(settings.evidence_limit_bytes, settings.sheet_limit_bytes)
    title = "Peygir: follow-ups"
    app = host.app(title, routes, sends, long_bodies, persian.CATALOGUE)
    apply_absences(app, api.AppliedAbsences(contexts, host.clock))
    return host, app


def escalation_policy_of(
    settings: FollowupsSettings, calendar: WorkingCalendar
) -> EscalationPolicy:
    """Return the escalation rules of this site."""
    return EscalationPolicy(
        calendar,
        {"normal": settings.levels_normal, "urgent": settings.levels_urgent},
        settings.soon_days,
        settings.acknowledge_days,
    )


def extension_rules_of(settings: FollowupsSettings, calendar: WorkingCalendar) -> ExtensionRules:
    """Return the extension rules of this site."""
    return ExtensionRules(
        calendar,
        settings.extensions_most,
        settings.extension_days_most,
        settings.extension_lapse_days,
    )


async def _set_gauges(
    store: MongoFollowupRepository, deputy: str, metrics: FollowupsMetrics, clock: DomainClock
) -> None:
    counts = (await store.counts(By.DEPUTY)).get("", {})
    for name, count in counts.items():
        kind, _, value = name.partition(":")
        if kind == "state":
            metrics.set_followups(deputy, value, count)
        elif kind == "overdue":
            metrics.set_overdue(deputy, int(value), count)
    try:
        today = tehran_date(await clock.now())
    except NoTime:  # the simulated time has not begun, so nothing has an age
        return
    card = scorecard(counts, today)
    metrics.set_scores(
        deputy,
        verified=card.verified,
        on_time=card.on_time,
        extensions=card.extensions,
        median_age_days=card.median_age_days,
    )
