"""The metrics that only one service has."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import datetime

from shared.contracts.events import EVENTS
from shared.runtime.metrics import Metrics

_DAY_SECONDS = 86_400


class FollowupsMetrics(Metrics):
    """The metrics of the service `followups`."""

    def __init__(self, types: Collection[str] = EVENTS) -> None:
        super().__init__(types)
        self._followups = self._gauge(
            "peygir_followups", "Follow-ups as stored.", "deputy", "state"
        )
        self._overdue = self._gauge(
            "peygir_followups_overdue",
            "Open follow-ups that are past due, by the level reached.",
            "deputy",
            "level",
        )
        self._verified = self._gauge(
            "peygir_followups_verified",
            "Follow-ups that somebody else confirmed as done.",
            "deputy",
        )
        self._on_time = self._gauge(
            "peygir_followups_on_time",
            "Verified follow-ups that were claimed on or before their original due date.",
            "deputy",
        )
        self._extensions = self._gauge(
            "peygir_followups_extensions",
            "Extensions granted, to all follow-ups together.",
            "deputy",
        )
        self._median_age = self._gauge(
            "peygir_followups_open_age_median_seconds",
            "Median of the whole days since approval of open follow-ups; NaN if none is open.",
            "deputy",
        )
        self._last_sweep = self._gauge(
            "peygir_last_sweep_timestamp_seconds", "When the last complete sweep ended.", "deputy"
        )

    def set_followups(self, deputy: str, state: str, count: int) -> None:
        """Set how many follow-ups of a deputy are in a state."""
        self._followups.labels(deputy, state).set(count)

    def set_overdue(self, deputy: str, level: int, count: int) -> None:
        """Set how many open follow-ups of a deputy are past due at a level."""
        self._overdue.labels(deputy, level).set(count)

    def set_scores(
        self,
        deputy: str,
        *,
        verified: int,
        on_time: int,
        extensions: int,
        median_age_days: float | None,
    ) -> None:
        """Set the other numbers of a deputy's scorecard. They are counts; queries divide them."""
        age = math.nan if median_age_days is None else median_age_days * _DAY_SECONDS
        self._verified.labels(deputy).set(verified)
        self._on_time.labels(deputy).set(on_time)
        self._extensions.labels(deputy).set(extensions)
        self._median_age.labels(deputy).set(age)

    def hide_stored(self, deputy: str) -> None:
        """Show nothing of what is stored of a deputy: its database does not answer."""
        for gauge in (
            *(self._followups, self._overdue, self._verified, self._on_time),
            *(self._extensions, self._median_age),
        ):
            gauge.remove_by_labels({"deputy": deputy})

    def swept(self, deputy: str, at: datetime) -> None:
        """Record that a sweep over a deputy's follow-ups ended at `at`, by the machine clock."""
        self._last_sweep.labels(deputy).set(at.timestamp())


class NotifyMetrics(Metrics):
    """The metrics of the service `notify`."""

    def __init__(self, types: Collection[str] = EVENTS) -> None:
        super().__init__(types)
        self._waiting = self._gauge(
            "peygir_notices_waiting",
            "Notices that the mail server has neither accepted nor refused.",
        )
        self._notices_put_off = self._gauge(
            "peygir_notices_put_off",
            "Notices put off for a cause: the notice, its recipient, or the recipient's domain.",
            "cause",
        )
        self._mail_server_away = self._gauge(
            "peygir_mail_server_away",
            "Whether the mail server accepts nothing from the process that sends.",
        )

    def set_waiting(self, notices: int) -> None:
        """Set how many notices the mail server has neither accepted nor refused."""
        self._waiting.set(notices)

    def set_troubled(self, cause: str, count: int) -> None:
        """Set how many of them are put off for a cause."""
        self._notices_put_off.labels(cause).set(count)

    def hide_stored(self) -> None:
        """Show NaN for what is stored: the database does not answer."""
        self._waiting.set(math.nan)
        self._notices_put_off.clear()

    def set_mail_server_away(self, away: bool) -> None:
        """Set whether the mail server accepts nothing from this process."""
        self._mail_server_away.set(away)
