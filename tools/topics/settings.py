"""The settings of the command that creates the topics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from shared.runtime.settings import refuse
from tools.asking import ToolSettings

_VARIABLE = "PEYGIR_REPLICATION_FACTOR"
_ENOUGH = 3  # copies: one may be lost and another unavailable, and writing goes on


class TopicsSettings(ToolSettings):
    """Settings of the command."""

    replication_factor: int | None = Field(
        None,
        ge=1,
        le=9,
        description="Copies of each partition. Required in production. In development the "
        "default is 1 on one broker, else 3.",
    )
    few_copies: Literal["", "accepted"] = Field(
        "", description="`accepted`: production may have fewer than three copies."
    )

    def lacks(self) -> Iterator[str]:
        """MongoDB is not used here."""
        return (line for line in super().lacks() if not line.startswith("PEYGIR_MONGODB"))


class DeclaredSettings(TopicsSettings):
    """Settings of the list of declared topics, which asks no server."""

    def lacks(self) -> Iterator[str]:
        return iter(())


def copies(settings: TopicsSettings, option: int | None) -> int | None:
    """Return how many copies each partition has to have; `option` overrides the settings.

    In development it is None if neither is given: the number then depends on the brokers that
    run. Production has to give it, because some of its brokers may be down just then. Ends the
    process if production gives none, or too few without accepting that.
    """
    factor = settings.replication_factor if option is None else option
    if settings.env == "production":
        if factor is None:
            refuse(_VARIABLE, "production has to say how many copies a partition has; 3 are usual")
        if factor < _ENOUGH and settings.few_copies != "accepted":
            refuse(
                _VARIABLE,
                f"with {factor} copies, the loss of a broker loses acknowledged data or stops all "
                f"writing; allowed from {_ENOUGH} on, fewer with PEYGIR_FEW_COPIES=accepted",
            )
    return factor
