"""Configuration of the job that creates the topics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.runtime.settings import refuse
from tools.asking import ToolSettings

_VARIABLE = "PEYGIR_REPLICATION_FACTOR"
_ENOUGH = 3  # copies: one may be lost, and another away meanwhile without stopping anybody


class TopicsSettings(ToolSettings):
    """Settings of the job."""

    replication_factor: int | None = Field(
        None,
        ge=1,
        le=9,
        description="Copies of a partition. Required in production; in development it is by "
        "default 1 on one broker, else 3.",
    )
    few_copies: Literal["", "accepted"] = Field(
        "", description="`accepted`: production may have fewer than three copies."
    )


def copies(settings: TopicsSettings, asked: int | None) -> int | None:
    """How many copies a partition has to have; `asked` overrides the settings.

    None in development if neither says it: then it depends on the brokers that are up. In
    production those may be fewer than there are. Ends the process if production has too few copies
    for its promise.
    """
    factor = settings.replication_factor if asked is None else asked
    if settings.env == "production":
        if factor is None:
            refuse(_VARIABLE, "production has to say how many copies a partition has; usual are 3")
        if factor < _ENOUGH and settings.few_copies != "accepted":
            refuse(
                _VARIABLE,
                f"with {factor} copies the loss of a broker loses what was acknowledged, or stops "
                f"everybody; allowed from {_ENOUGH} on, fewer with PEYGIR_FEW_COPIES=accepted",
            )
    return factor
