"""How much of each broker a user may take, as data: Kafka's quotas by user.

Kafka refuses nothing that is above a quota. It answers later, so that the client slows down to it.
An operator changes the figures in a TOML file, which `PEYGIR_QUOTAS_FILE` names:

    [integrator]                          # all users of a kind: service, worker, integrator, tool
    consumer_byte_rate = 4_000_000        # what is left out keeps its default

    [users.integrator-province-tracker]   # one user, by its name in Kafka
    producer_byte_rate = 1_000_000
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from tools.access.rights import Grantee, PrincipalKind

_USERS: Final = "users"

Limits = Mapping[str, float]
"""Limits by the names that Kafka gives them."""


class BadQuotas(Exception):
    """A file of quotas that cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The most that a user may take of each broker; its fields have Kafka's names.

    All processes of the user count together. Rates are in bytes per second. The percentage is the
    time of a broker's threads, of which it has eleven by default: 100 is one thread all the time.
    """

    producer_byte_rate: int
    consumer_byte_rate: int
    request_percentage: int

    def limits(self) -> dict[str, int]:
        """The limits by their names."""
        return asdict(self)


NAMES: Final = tuple(each.name for each in fields(Quota))

DEFAULTS: Final[Mapping[PrincipalKind, Quota]] = {
    PrincipalKind.SERVICE: Quota(5_000_000, 20_000_000, 100),
    PrincipalKind.WORKER: Quota(20_000_000, 20_000_000, 200),
    PrincipalKind.INTEGRATOR: Quota(500_000, 2_000_000, 25),
    PrincipalKind.TOOL: Quota(1_000_000, 5_000_000, 50),
}
"""What a user has for whom an operator says nothing else."""

REASONS: Final[Mapping[PrincipalKind, str]] = {
    PrincipalKind.SERVICE: (
        "publishes 5,000 events of 1 kB per second, as many as a flood of approvals causes; "
        "recovers as fast as a worker"
    ),
    PrincipalKind.WORKER: (
        "recovers at 20,000 events of 1 kB per second; the fastest reader that was measured took "
        "12,600, and less than half a thread of the broker"
    ),
    PrincipalKind.INTEGRATOR: (
        "sends 1,100 approvals of 450 bytes per second, so by three brokers fewer than the 5,000 "
        "that one worker takes. Reads the 10,000 events of a season in seconds, with a sixtieth "
        "of 1 Gbit/s"
    ),
    PrincipalKind.TOOL: "a person waits for it, and nothing else does",
}
"""Why; docs/performance.md has the measurements."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas of an installation: the defaults, and what an operator has changed."""

    kinds: Mapping[PrincipalKind, Quota] = field(default_factory=lambda: DEFAULTS)
    users: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # some limits of some

    def of(self, grantee: Grantee) -> Quota:
        """The quota of a user."""
        return replace(self.kinds[grantee.kind], **self.users.get(grantee.user, {}))

    def check(self, grantees: Iterable[Grantee]) -> None:
        """Raise BadQuotas if a user is named that does not exist: it would limit nobody."""
        if unknown := self.users.keys() - {one.user for one in grantees}:
            raise BadQuotas(f"there is no user {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """One limit of one user that a cluster has otherwise than declared."""

    user: str
    name: str
    present: float | None  # None: it has none
    declared: int | None  # None: it has to go

    def __str__(self) -> str:
        was = "no limit" if self.present is None else f"{self.present:.15g}"
        to = "no limit" if self.declared is None else str(self.declared)
        return f"User:{self.user} {self.name} {to} (was {was})"


def quota_changes(
    declared: Mapping[str, Quota],
    present: Mapping[str, Limits],
    gone: Iterable[str] = (),
) -> tuple[QuotaChange, ...]:
    """What to change so that users have the declared quotas, and those of `gone` have none.

    Limits of other names are not compared, and other users not touched.
    """
    wanted: dict[str, Mapping[str, int]] = {
        user: quota.limits() for user, quota in declared.items()
    }
    wanted |= {user: {} for user in gone}
    return tuple(
        QuotaChange(user, name, has.get(name), limits.get(name))
        for user, limits in wanted.items()
        for has in [present.get(user, {})]
        for name in NAMES
        if has.get(name) != limits.get(name)
    )


def read_quotas(path: Path) -> Quotas:
    """Read a file of quotas. Raises BadQuotas."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadQuotas(f"{path} cannot be read ({type(error).__name__})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadQuotas(f"{path} is no TOML: {error}") from error
    try:
        return _read(document)
    except BadQuotas as error:
        raise BadQuotas(f"{path}: {error}") from error


def _read(document: Mapping[str, Any]) -> Quotas:
    known = [kind.value for kind in PrincipalKind]
    if unknown := document.keys() - {*known, _USERS}:
        raise BadQuotas(
            f"{', '.join(sorted(unknown))}: unknown; allowed: {', '.join(known)}, users"
        )
    users = document.get(_USERS, {})
    if not isinstance(users, dict):
        raise BadQuotas("write each user as [users.integrator-tracker]")
    kinds = {
        kind: replace(default, **dict(_limits(document.get(kind.value, {}), kind.value)))
        for kind, default in DEFAULTS.items()
    }
    return Quotas(kinds, {user: dict(_limits(given, user)) for user, given in users.items()})


def _limits(given: Any, whose: str) -> Iterator[tuple[str, int]]:
    if not isinstance(given, dict):
        raise BadQuotas(f"{whose} is a table of limits")
    for name, value in given.items():
        if name not in NAMES:
            raise BadQuotas(f"{whose}: {name} is no limit; there are {', '.join(NAMES)}")
        if type(value) is not int or value < 1:
            raise BadQuotas(f"{whose}: {name} is a whole number from 1")
        yield name, value
