"""The settings of the service `followups`."""

from __future__ import annotations

import itertools
import re
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from shared.contracts.services import HTTP_PORTS
from shared.runtime.settings import CommonSettings, shifted_port

_MOST_DAYS = 1_000  # some four years; beyond it somebody has mistaken the unit


def _steps(value: Any) -> Any:
    """Parse `0,5,10` into three numbers."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",")]
    steps = tuple(int(part) for part in parts if re.fullmatch("[0-9]{1,4}", part))
    rises = all(before < after for before, after in itertools.pairwise(steps))
    if len(parts) != 3 or len(steps) != 3 or not rises or steps[-1] > _MOST_DAYS:
        raise PydanticCustomError(
            "levels",
            "allowed are three whole numbers of working days, each higher than the one before, "
            "from 0 to {most}, such as 0,5,10",
            {"most": _MOST_DAYS},
        )
    return steps


Steps: TypeAlias = Annotated[tuple[int, int, int], NoDecode, BeforeValidator(_steps)]


class FollowupsSettings(CommonSettings):
    """The settings of follow-ups besides those of all services."""

    http_port: int = shifted_port(HTTP_PORTS["followups"])
    levels_normal: Steps = Field(
        (0, 5, 10), description="Working days after which levels 1, 2, 3 of overdue are reached."
    )
    levels_urgent: Steps = Field((0, 2, 4), description="The same for urgent resolutions.")
    acknowledge_days: int = Field(
        3, ge=0, le=100, description="Working days in which a deputy takes note; 0: no limit."
    )
    soon_days: int = Field(
        3, ge=0, le=100, description="Working days before a due date on which it is near; 0: never."
    )
    extensions_most: int = Field(3, ge=0, le=100, description="Extensions of one follow-up.")
    extension_days_most: int = Field(
        180, ge=1, le=3_650, description="Calendar days past the original due date, in all."
    )
    extension_lapse_days: int = Field(
        10, ge=1, le=100, description="Working days after which a request lapses undecided."
    )
    evidence_limit_bytes: int = Field(
        100_000_000, ge=1, le=10_000_000_000, description="Longest file of evidence."
    )
    evidence_abandoned_seconds: float = Field(
        3_600, ge=1, le=86_400, description="Silence after which an upload counts as given up."
    )
    sheet_limit_bytes: int = Field(
        16_000_000, ge=1_000, le=100_000_000, description="Longest spreadsheet that is taken."
    )
