"""Everything of this project that logs in to Kafka and MongoDB, each under a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.runtime.settings import PARTS, Part


@dataclass(frozen=True, slots=True)
class Workload:
    """A process, or several equal ones, with one name and one set of rights.

    The name is the user in Kafka and in MongoDB, and the name of the Deployment.
    """

    name: str
    service: str
    deputies: tuple[str, ...] = ()  # whose follow-ups it serves; none in other services
    run: frozenset[Part] = frozenset(PARTS)


def workloads(deputies: Iterable[str]) -> Sequence[Workload]:
    """The workloads of an installation with these deputies."""
    known = tuple(deputies)
    workers = [
        Workload(f"followups-{deputy}", "followups", (deputy,), frozenset(PARTS) - {"api"})
        for deputy in known
    ]
    return [
        Workload("scheduler", "scheduler"),
        Workload("reports", "reports"),
        Workload("notify", "notify"),
        Workload("followups-api", "followups", known, frozenset({"api"})),
        *workers,
    ]
