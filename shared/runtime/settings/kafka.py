"""How Kafka is reached."""

from __future__ import annotations

from pydantic import Field

from shared.runtime.addresses import Servers
from shared.runtime.settings.site import SiteSettings

_PORT = 29092


class KafkaSettings(SiteSettings):
    """The settings of every process that speaks to Kafka."""

    kafka_bootstrap_servers: Servers = Field(
        default_factory=lambda known: (f"127.0.0.1:{_PORT + known.get('port_offset', 0)}",),
        description="host:port or [IPv6]:port, several with commas between; any of them will do.",
    )
