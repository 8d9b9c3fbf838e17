"""What every process is told about its site, and how classes of settings say what they lack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.runtime.addresses import refused
from shared.runtime.settings.fields import PREFIX
from shared.text import unseen


class SiteSettings(BaseSettings):
    """The settings on which all other classes of settings build."""

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

    @field_validator("*", mode="before")
    @classmethod
    def _visible(cls, value: Any) -> Any:
        hidden = unseen(value.strip()) if isinstance(value, str) else None
        if hidden is not None:
            raise refused(f"holds the invisible character {hidden}; remove it")
        return value

    def lacks(self) -> Iterator[str]:
        """What production needs and these settings do not have, each `VARIABLE: what to set`.

        A subclass yields what it lacks after that of `super().lacks()`.
        """
        return iter(())
