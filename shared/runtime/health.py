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


class Impaired(Exception):
    """A check raises this if a part of the work waits, and the process serves all the same."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Report(TypedDict):
    """`status` is `ok` or `unavailable`; each check is `ok`, `excluded` or a reason.

    A reason beside the status `ok` is one that does not keep the process from serving.
    """

    status: str
    checks: dict[str, str]


class Health:
    """The checks of one process. A check that takes longer than `timeout` seconds has failed."""

    def __init__(self, timeout: float = 2.0) -> None:
        self._timeout = timeout
        self._checks: dict[str, Check] = {}

    def register(self, name: str, check: Check) -> None:
        """Add a check, which returns normally if all is well, and raises Unhealthy or Impaired.

        Raises ValueError if the name is taken.
        """
        if name in self._checks:
            raise ValueError(f"a check named {name} is there already")
        self._checks[name] = check

    async def report(self, exclude: Collection[str] = ()) -> tuple[bool, Report]:
        """Run all checks at once except those excluded; True if none failed."""
        names = [name for name in self._checks if name not in exclude]
        results = await asyncio.gather(*(self._run(name) for name in names))
        ok = all(serves for _, serves in results)
        texts = [text for text, _ in results]
        checks = dict.fromkeys(self._checks, "excluded") | dict(zip(names, texts, strict=True))
        return ok, {"status": "ok" if ok else "unavailable", "checks": checks}

    async def _run(self, name: str) -> tuple[str, bool]:
        """The text of a check, and whether the process can serve as far as it goes."""
        try:
            await asyncio.wait_for(self._checks[name](), self._timeout)
        except Unhealthy as unhealthy:
            return unhealthy.reason, False
        except Impaired as impaired:
            return impaired.reason, True
        except TimeoutError:
            return f"no answer within {self._timeout:g} s", False
        except Exception as error:  # noqa: BLE001 - see below
            # An error in a check counts as a failure of it; the log has the details.
            _log.exception("health check broke", check=name)
            return type(error).__name__, False
        return "ok", True
