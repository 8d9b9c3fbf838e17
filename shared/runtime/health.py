"""Whether this process can do its work now: named checks, asked when somebody wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias, TypedDict

import structlog

Check: TypeAlias = Callable[[], Awaitable[None]]

_log = structlog.get_logger(__name__)


class Unhealthy(Exception):
    """What a check raises where something it looked at does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Report(TypedDict):
    """`status` is `ok` or `unavailable`; each check says `ok`, `excluded` or its reason."""

    status: str
    checks: dict[str, str]


class Health:
    """The checks of one process. Each has `patience` seconds before it counts as failed."""

    def __init__(self, patience: float = 2.0) -> None:
        self._patience = patience
        self._checks: dict[str, Check] = {}

    def register(self, name: str, check: Check) -> None:
        """Add a check; it returns where all is well and raises Unhealthy where it is not.

        Raises ValueError where the name is taken.
        """
        if name in self._checks:
            raise ValueError(f"a check named {name} is there already")
        self._checks[name] = check

    async def report(self, exclude: Collection[str] = ()) -> tuple[bool, Report]:
        """Run all checks at once but those excluded; True where none failed."""
        wanted = [name for name in self._checks if name not in exclude]
        results = await asyncio.gather(*(self._run(name) for name in wanted))
        ok = all(result == "ok" for result in results)
        checks = dict.fromkeys(self._checks, "excluded") | dict(zip(wanted, results, strict=True))
        return ok, {"status": "ok" if ok else "unavailable", "checks": checks}

    async def _run(self, name: str) -> str:
        try:
            await asyncio.wait_for(self._checks[name](), self._patience)
        except Unhealthy as unhealthy:
            return unhealthy.reason
        except TimeoutError:
            return f"no answer within {self._patience:g} s"
        except Exception as error:  # noqa: BLE001 - see below
            # A check that breaks is no answer to the question; what broke belongs in the log.
            _log.exception("health check broke", check=name)
            return type(error).__name__
        return "ok"
