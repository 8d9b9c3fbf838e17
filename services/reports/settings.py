"""Configuration of the service `reports`."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from shared.contracts.reference import AXES
from shared.contracts.services import HTTP_PORTS
from shared.runtime.settings import CommonSettings, Names, shifted_port


class ReportsSettings(CommonSettings):
    """What the reports are told besides what all services are."""

    http_port: int = shifted_port(HTTP_PORTS["reports"])
    restricted_axes: Names = Field(
        ("security",), description="Axes told of on the restricted topic alone."
    )

    @field_validator("restricted_axes")
    @classmethod
    def _axes(cls, wanted: tuple[str, ...]) -> tuple[str, ...]:
        known = [axis.id for axis in AXES]
        for axis in wanted:
            if axis not in known:
                told = {"axis": axis, "known": ", ".join(known)}
                raise PydanticCustomError("refused", "'{axis}' is no axis; allowed: {known}", told)
        return wanted
