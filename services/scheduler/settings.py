"""Configuration of the service `scheduler`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field

from shared.contracts.services import HTTP_PORTS
from shared.runtime.settings import CommonSettings, shifted_port


class SchedulerSettings(CommonSettings):
    """The settings of `scheduler`, besides those of every service."""

    http_port: int = shifted_port(HTTP_PORTS["scheduler"])
    report_hours: int = Field(
        72, ge=0, le=720, description="Hours before a provincial session when its report is due."
    )

    def lacks(self) -> Iterator[str]:
        yield from super().lacks()
        if self.signing_key_file is None:
            yield "PEYGIR_SIGNING_KEY_FILE: the key by which followups and notify believe it"

    @property
    def report_lead(self) -> timedelta:
        """How long before a provincial session its report is due."""
        return timedelta(hours=self.report_hours)
