"""Checks of the settings at the start. A wrong one ends the process with its name."""

from __future__ import annotations

import structlog

from shared.messaging.core.failpoints import FailpointHook, UnknownFailpoint, kill_at, no_faults
from shared.runtime import mongo
from shared.runtime.settings import CommonSettings, refuse

_log = structlog.get_logger(__name__)


def failpoint(settings: CommonSettings) -> FailpointHook:
    """Return the hook that kills this process at the step of PEYGIR_FAULT, if one is set."""
    if not settings.fault:
        return no_faults
    try:
        return kill_at(settings.fault)
    except UnknownFailpoint as error:
        refuse("PEYGIR_FAULT", str(error))


async def require_replica_set(client: mongo.Client) -> None:
    """Check that PEYGIR_MONGODB_URI names a replica set. Raises the driver's errors."""
    try:
        await mongo.require_replica_set(client)
    except mongo.NoReplicaSet as error:
        refuse("PEYGIR_MONGODB_URI", str(error))


def warn_if_open(settings: CommonSettings) -> None:
    """Log a warning in development, which trusts every caller."""
    if settings.env == "development":
        _log.warning(
            "OPEN: whoever reaches this address may do everything; not for real data",
            address=f"{settings.http_host}:{settings.http_port}",
        )
