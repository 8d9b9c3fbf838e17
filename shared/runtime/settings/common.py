"""The settings of every service, and those of them that tools have too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.contracts.reference import DEPUTIES
from shared.runtime.addresses import refused
from shared.runtime.official_holidays import BadHolidaysFile, read_overrides
from shared.runtime.settings.fields import PARTS, Names, Part, split
from shared.runtime.settings.http import HttpSettings
from shared.runtime.settings.identity import IdentitySettings
from shared.runtime.settings.kafka import KafkaSettings
from shared.runtime.settings.mongodb import MongoSettings
from shared.runtime.settings.sources import SourceSettings


class ProcessSettings(MongoSettings, KafkaSettings):
    """The settings of every service and tool. A tool adds its own fields in a subclass."""

    known_deputies: Names = Field(
        tuple(deputy.id for deputy in DEPUTIES), description="All existing deputies."
    )
    deputies: Names = Field(
        default_factory=lambda known: known.get("known_deputies", ()),
        description="The deputies that this process serves; `all` by default.",
    )
    run: Annotated[frozenset[Part], NoDecode, BeforeValidator(split)] = Field(
        frozenset(PARTS), description="The parts of the service that this process runs."
    )

    clock: Literal["system", "simulated"] = Field(
        "system", description="The source of the domain's time."
    )
    thursday_off: bool = Field(False, description="Whether Thursdays are days off.")
    holidays_file: Path | None = Field(
        None,
        description="A .json or .toml file of `added` and `removed` holidays, each a day such as "
        "2024-03-11 or 1402/12/21.",
    )

    batch_max_records: int = Field(2_000, ge=1, le=10_000, description="Records per transaction.")
    sweep_seconds: float = Field(1.0, gt=0, le=3_600, description="Pause between two sweeps.")
    lease_seconds: float = Field(5.0, ge=1, le=60, description="How long a lease lasts.")
    deferred_seconds: float = Field(
        86_400,
        ge=0,
        le=31_536_000,
        description="How long an event waits for the aggregate that it refers to.",
    )
    flood_window: int = Field(1_000, ge=1, description="Messages by which a flood is judged.")
    flood_share: float = Field(0.2, gt=0, le=1, description="Share of dead letters among them.")
    flood_minimum: int = Field(200, ge=1, description="Fewer dead letters are never a flood.")
    fault: str = Field("", description="Name of the step at which this process kills itself.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info")
    log_format: Literal["json", "console"] = Field("json")

    @field_validator("deputies", mode="before")
    @classmethod
    def _all(cls, names: Any, info: ValidationInfo) -> Any:
        return info.data.get("known_deputies", ()) if names == "all" else names

    @field_validator("deputies")
    @classmethod
    def _known(cls, deputies: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = info.data.get("known_deputies", deputies)
        for deputy in deputies:
            if deputy not in known:
                raise refused(f"{deputy!r} is no deputy; allowed: all, {', '.join(known)}")
        return deputies

    @field_validator("known_deputies", "deputies", "run")
    @classmethod
    def _nonempty_and_distinct(cls, names: Any) -> Any:
        if not names:
            raise refused("must not be empty")
        if len(set(names)) < len(names):
            raise refused("holds a name twice")
        return names

    @field_validator("clock")
    @classmethod
    def _real_in_production(cls, clock: str, info: ValidationInfo) -> str:
        if clock == "simulated" and info.data.get("env") != "development":
            raise refused("a simulated clock is for development alone; allowed: system")
        return clock

    @field_validator("fault")
    @classmethod
    def _no_fault_in_production(cls, fault: str, info: ValidationInfo) -> str:
        if fault and info.data.get("env") != "development":
            raise refused("faults are for development alone; leave it empty")
        return fault

    @field_validator("holidays_file")
    @classmethod
    def _holidays(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                read_overrides(path)
            except BadHolidaysFile as error:
                raise refused(str(error)) from error
        return path

    @model_validator(mode="after")
    def _ready_for_production(self) -> Self:
        lacking = list(self.lacks()) if self.env == "production" else []
        if lacking:
            raise refused(
                f"PEYGIR_ENV: production needs {len(lacking)} more: {'; '.join(lacking)}. "
                "On one machine, for trying it out, set PEYGIR_ENV=development"
            )
        return self

    @property
    def asks_for_rights(self) -> bool:
        """Whether this process logs in to Kafka or MongoDB, and can lack a right there."""
        return self.kafka_security_protocol != "PLAINTEXT" or self.names_mongodb_user


class CommonSettings(IdentitySettings, HttpSettings, SourceSettings, ProcessSettings):
    """The settings of every service. A service adds its own fields in a subclass."""
