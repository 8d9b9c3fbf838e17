"""Configuration of the job that creates the topics."""

from __future__ import annotations

from pydantic import Field, field_validator

from shared.runtime.settings import CommonSettings


class TopicsSettings(CommonSettings):
    """What the job is told. It serves nobody, so that it needs no identity in production."""

    replication_factor: int | None = Field(
        None, ge=1, le=9, description="Copies of a partition; by default 1 on one broker, else 3."
    )

    @field_validator("env")
    @classmethod
    def _never_open(cls, env: str) -> str:
        return env
