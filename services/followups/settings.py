"""Configuration of the service `followups`."""

from __future__ import annotations

from shared.runtime.settings import CommonSettings, shifted_port

PORT = 8103


class FollowupsSettings(CommonSettings):
    """What the follow-ups are told besides what all services are."""

    http_port: int = shifted_port(PORT)
