"""The result of a check: what was expected, what was found, and the faults between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check with its counts and its faults."""

    name: str
    expected: int
    found: int
    faults: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults


def compare(name: str, expected: Mapping[K, V], found: Iterable[tuple[K, V]]) -> CheckResult:
    """Check that exactly the expected was found, each once, with the expected content."""
    seen: dict[K, V] = {}
    faults: list[str] = []
    count = 0
    for key, content in found:
        count += 1
        if key in seen:
            faults.append(f"{key}: found twice")
        elif key not in expected:
            faults.append(f"{key}: not expected, but found")
        elif expected[key] != content:
            faults.append(f"{key}: expected {expected[key]}, found {content}")
        seen.setdefault(key, content)
    faults += [f"{key}: missing" for key in expected if key not in seen]
    return CheckResult(name, len(expected), count, tuple(faults))


def compare_counts(name: str, expected: Counter[K], found: Counter[K]) -> CheckResult:
    """Check that each was found as often as expected."""
    keys = [*expected, *(key for key in found if key not in expected)]
    faults = [
        f"{key}: expected {expected[key]} times, found {found[key]} times"
        for key in keys
        if expected[key] != found[key]
    ]
    return CheckResult(name, expected.total(), found.total(), tuple(faults))


def check_none(name: str, found: Collection[str]) -> CheckResult:
    """Check that none of these was found."""
    return CheckResult(name, 0, len(found), tuple(found))
