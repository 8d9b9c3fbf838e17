"""Verification of the chains: the first broken link of each aggregate, and what broke it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from shared.messaging.ledger.chain import BEGINNING, link
from tools.audit.trail import Committed

Place: TypeAlias = tuple[str, str]
"""A database and an aggregate."""
Head: TypeAlias = tuple[int, bytes]
"""The latest version of an aggregate and its hash."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The first broken link of an aggregate."""

    database: str
    aggregate: str
    version: int
    what: str  # `missing` or `changed`
    detail: str


@dataclass(slots=True)
class Verified:
    """What a verification has found so far."""

    events: int = 0
    aggregates: int = 0
    unchained: int = 0  # events from before the chains
    heads: dict[Place, Head] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)


def verify(
    entries: Iterable[Committed],
    found: Verified,
    sealed: Mapping[Place, Head],
    chained_since: datetime | None = None,
) -> Iterator[None]:
    """Follow the chains of entries in order of aggregate and version; yields after each entry.

    `sealed`: heads that were noted before, which each chain still has to contain. What was
    committed before `chained_since` (UTC) may have no hash, although what precedes it has one: a
    process of an earlier version wrote it during an upgrade.
    """
    before: Committed | None = None
    is_broken = False
    for entry in entries:
        place = (entry.database, entry.event.aggregate_id)
        if before is None or place != (before.database, before.event.aggregate_id):
            before, is_broken = None, False
            found.aggregates += 1
        found.events += 1
        found.unchained += entry.hash is None
        is_older = chained_since is not None and entry.who.at < chained_since
        fault = _fault(before, entry, sealed.get(place), may_lack_hash=is_older)
        if fault is not None and not is_broken:
            is_broken = True
            what, version, detail = fault
            found.broken.append(Broken(*place, version, what, detail))
        if entry.hash is not None:
            found.heads[place] = (entry.event.version, entry.hash)
        before = entry
        yield


def lost(found: Verified, sealed: Mapping[Place, Head]) -> Iterator[Broken]:
    """Yield the aggregates that end before the version that was noted, or are gone."""
    known = {(broken.database, broken.aggregate) for broken in found.broken}
    for place, (version, _) in sealed.items():
        now = found.heads.get(place, (0, b""))[0]
        if now < version and place not in known:
            yield Broken(
                *place, now + 1, "missing", f"it had {version} versions when it was sealed"
            )


def _fault(
    before: Committed | None, entry: Committed, sealed: Head | None, *, may_lack_hash: bool
) -> tuple[str, int, str] | None:
    """What is wrong with an entry after the one before it: what, from which version on, and why."""
    version = entry.event.version
    expected = 1 if before is None else before.event.version + 1
    if before is not None and version < expected:
        return "changed", version, "there are two events of this version"
    if before is not None and version > expected:
        return "missing", expected, f"the next one is version {version}"
    if entry.hash is None:
        if before is not None and before.hash is not None and not may_lack_hash:
            return "changed", version, "it has no hash, but the one before it has"
        return None
    previous = BEGINNING if before is None or before.hash is None else before.hash
    if link(previous, entry.event, entry.who) != entry.hash:
        if before is None and version > 1:
            return "missing", version - 1, "the chain does not begin with the first event here"
        return (
            "changed",
            version,
            "it, who committed it, or the hash before it is not what was hashed",
        )
    if sealed is not None and sealed[0] == version and sealed[1] != entry.hash:
        return "changed", version, "it has another hash than when it was sealed"
    return None
