"""The services by name, and the port of each one's HTTP. Every other list reads this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

ServiceName: TypeAlias = Literal["scheduler", "reports", "followups", "notify"]

SERVICES: Final[tuple[ServiceName, ...]] = get_args(ServiceName)
"""Every service, in the order in which they are started and shown."""

HTTP_PORTS: Final[Mapping[ServiceName, int]] = {
    "scheduler": 8101,
    "reports": 8102,
    "followups": 8103,
    "notify": 8104,
}
"""Ports on a loopback address by default; `PEYGIR_PORT_OFFSET` is added to each."""
