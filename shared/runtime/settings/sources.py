"""Who may send events, and with which key this process signs its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from shared.runtime.addresses import refused
from shared.runtime.settings.site import SiteSettings
from shared.runtime.signatures import BadSigningKey, read_signing_key


class SourceSettings(SiteSettings):
    """The settings of every service about the sources of events."""

    event_sources: Literal["open", "signed"] = Field(
        default_factory=lambda known: "signed" if known.get("env") == "production" else "open",
        description="`signed`: events of resolutions need their source's signature.",
    )
    integrators_file: Path | None = Field(
        None, description="The TOML file that lists the systems of others, and keys."
    )
    signing_key_file: Path | None = Field(
        None, description="The private key (PEM, Ed25519) with which this service signs events."
    )

    @field_validator("event_sources")
    @classmethod
    def _signed_in_production(cls, sources: str, info: ValidationInfo) -> str:
        if sources == "open" and info.data.get("env") == "production":
            raise refused("anybody could pass for the scheduler; allowed: signed")
        return sources

    @field_validator("signing_key_file")
    @classmethod
    def _a_key(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                read_signing_key(path)
            except BadSigningKey as error:
                raise refused(str(error)) from error
        return path

    def lacks(self) -> Iterator[str]:
        yield from super().lacks()
        if self.integrators_file is None:
            yield "PEYGIR_INTEGRATORS_FILE: the file that lists who sends events, with their keys"
