"""Types of settings that several classes of settings share."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_settings import NoDecode

PREFIX = "PEYGIR_"

Part: TypeAlias = Literal["api", "consumer", "relay", "sweeper"]
PARTS: tuple[Part, ...] = ("api", "consumer", "relay", "sweeper")


def split(value: Any) -> Any:
    """Split `civil, crisis` into its two names."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


DeputyId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
Names: TypeAlias = Annotated[tuple[DeputyId, ...], NoDecode, BeforeValidator(split)]


def shifted_port(base: int) -> Any:
    """A port that `PEYGIR_PORT_OFFSET` shifts unless it is set itself."""
    return Field(
        default_factory=lambda known: base + known.get("port_offset", 0),
        ge=1,
        le=65535,
        description=f"Port of this service's HTTP; by default {base} plus the offset.",
    )
