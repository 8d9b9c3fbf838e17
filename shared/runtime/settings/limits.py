"""What a service accepts: lengths, durations, numbers at a time, rates."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shared.runtime.settings.site import SiteSettings


def _in_production(rate: float) -> Any:
    """A rate that development does not limit unless it is set."""
    return Field(
        default_factory=lambda known: rate if known.get("env") == "production" else 0,
        ge=0,
        le=100_000,
        description=f"0: no limit. By default {rate:g} in production, 0 in development.",
    )


class LimitSettings(SiteSettings):
    """The limits of every process that serves HTTP."""

    body_limit_bytes: int = Field(1_000_000, ge=1_000, description="Longest body of a request.")
    target_limit_bytes: int = Field(
        8_192, ge=1_024, le=65_536, description="Longest path and query of a request."
    )
    header_limit_bytes: int = Field(
        16_384, ge=4_096, le=1_000_000, description="All headers of a request together."
    )
    query_parameters_most: int = Field(200, ge=10, le=10_000, description="Parameters of a query.")
    json_depth_most: int = Field(
        32, ge=8, le=100, description="Lists and objects of a body inside each other."
    )
    json_values_most: int = Field(50_000, ge=1_000, description="Values of a JSON body.")
    json_characters_most: int = Field(
        100_000, ge=20_000, description="Longest text in a JSON body."
    )
    header_seconds: float = Field(
        20, gt=0, le=600, description="How long the headers of a request may take."
    )
    body_seconds: float = Field(
        20, gt=0, le=600, description="How long a body may keep the service waiting."
    )
    body_bytes_per_second: int = Field(
        2_000, ge=1, description="What a body has to bring for each further second."
    )
    answer_seconds: float = Field(
        60, gt=0, le=3_600, description="How long a client may not read its answer."
    )
    uploads_most: int = Field(
        16, ge=1, le=1_000, description="Files, and spreadsheets, that are received at a time."
    )
    requests_most: int = Field(500, ge=1, le=100_000, description="Requests at a time.")
    connections_most: int = Field(2_000, ge=1, le=100_000, description="Connections at a time.")
    rate_per_second: float = _in_production(50)
    rate_burst: int = Field(200, ge=1, description="Requests of a sender at once, after a rest.")
    rate_unknown_per_second: float = _in_production(10)
    rate_unknown_burst: int = Field(
        200, ge=1, description="Requests of an address at once, while their sender is unknown."
    )
    rate_remembered: int = Field(
        10_000, ge=100, description="Senders, and addresses, whose rate is kept."
    )
