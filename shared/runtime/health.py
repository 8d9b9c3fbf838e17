"""Whether this process can do its work now: named checks, run on request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias, TypedDict

import structlog

Check: TypeAlias = Callable[[], Awaitable[None]]

_log = structlog.get_logger(__name__)


class Unhealthy(Exception):
    """A check raises this if what it checks does not work."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Degraded(Unhealthy):
    """A check raises this if work goes on without what it checks: it is shown, and that is all."""


class Report(TypedDict):
    """`status` is `ok`, `degraded` or `unavailable`; each check is `ok`, `excluded` or a reason."""

    status: str
    checks: dict[str, str]


class Health:
    """The checks of one process. A check that takes longer than `timeout` seconds has failed."""

    def __init__(self, timeout: float = 2.0) -> None:
        self._timeout = timeout
        self._checks: dict[str, Check] = {}

    def register(self, name: str, check: Check) -> None:
        """Add a check, which returns normally if all is well, and raises Unhealthy if not.

        Raises ValueError if the name is taken.
        """
        if name in self._checks:
            raise ValueError(f"a check named {name} is there already")
        self._checks[name] = check

    async def report(self, exclude: Collection[str] = ()) -> tuple[bool, Report]:
        """Run all checks at once except those excluded; True if work can be done."""
        names = [name for name in self._checks if name not in exclude]
        found = await asyncio.gather(*(self._run(name) for name in names))
        wrong = [one for one in found if one is not None]
        ok = all(isinstance(one, Degraded) for one in wrong)
        status = "ok" if not wrong else "degraded" if ok else "unavailable"
        said = ["ok" if one is None else one.reason for one in found]
        checks = dict.fromkeys(self._checks, "excluded") | dict(zip(names, said, strict=True))
        return ok, {"status": status, "checks": checks}

    async def _run(self, name: str) -> Unhealthy | None:
        try:
            await asyncio.wait_for(self._checks[name](), self._timeout)
        except Unhealthy as unhealthy:
            return unhealthy
        except TimeoutError:
            return Unhealthy(f"no answer within {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001 - see below
            # An error in a check counts as a failure of it; the log has the details.
            _log.exception("health check broke", check=name)
            return Unhealthy(type(error).__name__)
        return None
