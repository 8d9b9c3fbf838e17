"""Configuration: environment variables with the prefix `PEYGIR_`, or files of the same name.

The files are in `/run/secrets`, if it exists, and in the folder that `PEYGIR_SECRETS_DIR` names.
A variable takes precedence over a file; an empty one counts as not set.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeAlias, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from shared.contracts.reference import DEPUTIES
from shared.runtime.addresses import Servers, connection_string, refused
from shared.runtime.official_holidays import BadHolidaysFile, read_overrides
from shared.text import unseen

PREFIX = "PEYGIR_"
_SECRETS = Path("/run/secrets")
_KAFKA_PORT = 29092
_MONGODB_PORT = 27117

Part: TypeAlias = Literal["api", "consumer", "relay", "sweeper"]
PARTS: tuple[Part, ...] = ("api", "consumer", "relay", "sweeper")


def _split(value: Any) -> Any:
    """Split `civil, crisis` into its two names."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


DeputyId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
Names: TypeAlias = Annotated[tuple[DeputyId, ...], NoDecode, BeforeValidator(_split)]


def shifted_port(base: int) -> Any:
    """A port that `PEYGIR_PORT_OFFSET` shifts unless it is set itself."""
    return Field(
        default_factory=lambda known: base + known.get("port_offset", 0),
        ge=1,
        le=65535,
        description=f"Port of this service's HTTP; by default {base} plus the offset.",
    )


class CommonSettings(BaseSettings):
    """The settings of every service and tool. A service adds its own fields in a subclass."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    env: Literal["development", "production"] = Field(
        "production", description="`development` is open and therefore loopback only."
    )
    port_offset: int = Field(0, ge=0, le=30_000, description="Added to every default port.")
    namespace: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9-]{0,19})?$",
        description="Put before the names of topics, groups and databases.",
    )
    secrets_dir: Path | None = Field(None, description="A further folder of settings in files.")

    kafka_bootstrap_servers: Servers = Field(
        default_factory=lambda known: (f"127.0.0.1:{_KAFKA_PORT + known.get('port_offset', 0)}",),
        description="host:port or [IPv6]:port, several with commas between; any of them will do.",
    )
    mongodb_uri: SecretStr = Field(
        default_factory=lambda known: SecretStr(
            f"mongodb://127.0.0.1:{_MONGODB_PORT + known.get('port_offset', 0)}/?replicaSet=peygir"
        ),
        description="Connection string of a replica set; may hold a password.",
    )

    open_network: Literal["", "accepted"] = Field(
        "", description="`accepted`: development may listen beyond loopback, open to the network."
    )
    http_host: str = Field("127.0.0.1", description="Address to listen on.")
    http_port: int = shifted_port(8100)
    body_limit_bytes: int = Field(1_000_000, ge=1_000, description="Longest body of a request.")

    known_deputies: Names = Field(
        tuple(deputy.id for deputy in DEPUTIES), description="All existing deputies."
    )
    deputies: Names = Field(
        default_factory=lambda known: known.get("known_deputies", ()),
        description="The deputies that this process serves; `all` by default.",
    )
    run: Annotated[frozenset[Part], NoDecode, BeforeValidator(_split)] = Field(
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

    @field_validator("*", mode="before")
    @classmethod
    def _visible(cls, value: Any) -> Any:
        hidden = unseen(value.strip()) if isinstance(value, str) else None
        if hidden is not None:
            raise refused(f"holds the invisible character {hidden}; remove it")
        return value

    @field_validator("env")
    @classmethod
    def _never_open(cls, env: str) -> str:
        if env == "production":
            raise refused(
                "production needs an identity provider, which this version does not have; "
                "allowed: development"
            )
        return env

    @field_validator("http_host")
    @classmethod
    def _loopback(cls, host: str, info: ValidationInfo) -> str:
        accepted = info.data.get("open_network") == "accepted"
        if info.data.get("env") == "development" and not (accepted or _is_loopback(host)):
            raise refused(
                "development is open to everybody who can reach it; allowed: loopback addresses, "
                "and others with PEYGIR_OPEN_NETWORK=accepted"
            )
        return host

    @field_validator("mongodb_uri")
    @classmethod
    def _mongodb(cls, uri: SecretStr) -> SecretStr:
        connection_string(uri.get_secret_value())
        return uri

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


SettingsType = TypeVar("SettingsType", bound=CommonSettings)


def load(settings: type[SettingsType]) -> SettingsType:
    """Read the settings of this process.

    If they are not valid, writes one line to standard error that names the variables and the
    allowed values, and raises SystemExit(2). An unknown variable that looks like a misspelt setting
    gets a warning there.
    """
    try:
        loaded = settings(_secrets_dir=_secret_folders(os.environ))
    except ValidationError as error:
        details = [
            detail for detail in error.errors() if detail["type"] != "default_factory_not_called"
        ]
        _stop("; ".join(_message(settings, detail) for detail in details))
    except SettingsError as error:
        _stop(f"{PREFIX}*: {error}")
    for name, meant in _misspelt(os.environ, settings.model_fields):
        sys.stderr.write(f"warning: {name} is not a setting; was {meant} meant?\n")
    return loaded


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _secret_folders(environment: Mapping[str, str]) -> list[Path]:
    folders = [_SECRETS] if _SECRETS.is_dir() else []
    if named := environment.get(f"{PREFIX}SECRETS_DIR"):
        if not Path(named).is_dir():
            _stop(f"{PREFIX}SECRETS_DIR: {named} is not a folder")
        folders.append(Path(named))
    return folders


def _message(settings: type[CommonSettings], detail: ErrorDetails) -> str:
    """`PEYGIR_RUN: Input should be 'api', …, not 'web'`; a secret value is not repeated."""
    field, given = str(detail["loc"][0]), detail["input"]
    secret = "Secret" in repr(settings.model_fields[field].annotation)
    repeated = isinstance(given, str) and not secret and detail["type"] != "refused"
    suffix = f", not {given!r}" if repeated else ""
    return " ".join(f"{PREFIX}{field.upper()}: {detail['msg']}{suffix}".split())


def _misspelt(environment: Iterable[str], fields: Iterable[str]) -> list[tuple[str, str]]:
    """Unknown variables, each with the setting that its name resembles."""
    known = [PREFIX + field.upper() for field in fields]
    misspelt = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
            misspelt += [(name, meant) for meant in near]
    return misspelt


def refuse(variable: str, why: str) -> NoReturn:
    """End the process as `load` does, for a value that only the setting's user can check."""
    _stop(f"{variable}: {why}")


def _stop(line: str) -> NoReturn:
    sys.stderr.write(f"{line}\n")
    raise SystemExit(2)
