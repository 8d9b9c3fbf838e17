"""Configuration of the service `reports`."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from shared.contracts.reference import AXES
from shared.contracts.services import HTTP_PORTS
from shared.runtime.settings import CommonSettings, Names, shifted_port


class ReportsSettings(CommonSettings):
    """The settings of `reports`, besides those of every service."""

    http_port: int = shifted_port(HTTP_PORTS["reports"])
    restricted_axes: Names = Field(
        ("security",), description="Axes that are published on the restricted topic alone."
    )

    @field_validator("restricted_axes")
    @classmethod
    def _axes(cls, axes: tuple[str, ...]) -> tuple[str, ...]:
        known = [axis.id for axis in AXES]
        for axis in axes:
            if axis not in known:
                details = {"axis": axis, "known": ", ".join(known)}
                raise PydanticCustomError(
                    "refused", "'{axis}' is no axis; allowed: {known}", details
                )
        return axes
