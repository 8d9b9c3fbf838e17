"""The hash chain of each aggregate's events: who changes or removes one breaks the chain.

The hash of an event covers the hash of the aggregate's event before, its content, and who committed
it, when and by which authority. It does not cover the topic, so a follow-up that moves to another
deputy takes its chain along. An event whose predecessor has no hash, because it is the first or
older than this chain, begins one.
"""

from __future__ import annotations

import hashlib
import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shared.messaging.core.model import Event
from shared.runtime.mongo import ClientSession, Collection, Document
from shared.runtime.principals import Authority

BEGINNING: Final = bytes(32)
"""The hash before the first event of a chain."""

_REMEMBERED: Final = 20_000  # aggregates in each process, the latest
_LOOKED_UP_AT_ONCE: Final = 500
_FIELDS: Final = {"events.aggregate_id": 1, "events.version": 1, "chain": 1}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who committed events, when (UTC, milliseconds) and by which authority."""

    at: datetime
    by: str
    roles: Sequence[str]
    authority: Authority | None = None


def link(previous: bytes, event: Event, provenance: Provenance) -> bytes:
    """Return the hash of an event after the hash of the event before it (SHA-256)."""
    return _link(previous, event, _instant(event.time), _packed_provenance(provenance))


def _link(previous: bytes, event: Event, time: str, provenance: bytes) -> bytes:
    # Of the data only their hash: if they ever have to be erased, it is kept, and the chain holds.
    data = hashlib.sha256(event.data).digest()
    version, trace = str(event.version), () if event.trace is None else (event.trace,)
    key, about = event.key, event.aggregate_id
    content = _packed(event.id, event.type, key, about, version, time, event.dataschema, *trace)
    return hashlib.sha256(previous + data + content + provenance).digest()


class Heads:
    """The latest hash of each aggregate in one database."""

    def __init__(self, commits: Collection) -> None:
        self._commits = commits
        self._recent: OrderedDict[str, tuple[int, bytes]] = OrderedDict()

    async def before(
        self, events: Iterable[Event], session: ClientSession
    ) -> Mapping[str, tuple[int, bytes]]:
        """Return version and hash of what precedes the first event of each aggregate here.

        An aggregate that begins, or has no hash yet, is left out. Raises the driver's errors.
        """
        first: dict[str, int] = {}
        for event in events:
            first.setdefault(event.aggregate_id, event.version)
        found: dict[str, tuple[int, bytes]] = {}
        unknown: list[tuple[str, int]] = []
        for aggregate, version in first.items():
            recent = self._recent.get(aggregate)
            if version == 1:
                continue
            if recent is not None and recent[0] == version - 1:
                found[aggregate] = recent
            else:
                unknown.append((aggregate, version - 1))
        for start in range(0, len(unknown), _LOOKED_UP_AT_ONCE):
            found |= await self._look_up(unknown[start : start + _LOOKED_UP_AT_ONCE], session)
        return found

    def remember(self, heads: Mapping[str, tuple[int, bytes]]) -> None:
        """Remember the latest hashes after they were committed."""
        for aggregate, head in heads.items():
            self._recent[aggregate] = head
            self._recent.move_to_end(aggregate)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    async def _look_up(
        self, wanted: Sequence[tuple[str, int]], session: ClientSession
    ) -> dict[str, tuple[int, bytes]]:
        # One condition on one element, so that the index of the history gives the places alone.
        place = {
            "aggregate_id": {"$in": [aggregate for aggregate, _ in wanted]},
            "version": {"$in": sorted({version for _, version in wanted})},
        }
        versions = dict(wanted)
        found: dict[str, tuple[int, bytes]] = {}
        records = self._commits.find({"events": {"$elemMatch": place}}, _FIELDS, session=session)
        async for record in records:
            for event, hashed in zip(record["events"], record.get("chain", ()), strict=False):
                aggregate, version = event["aggregate_id"], event["version"]
                if versions.get(aggregate) == version and hashed is not None:
                    found[aggregate] = (version, bytes(hashed))
        return found


def chained(
    events: Sequence[Event], provenance: Provenance, heads: dict[str, tuple[int, bytes]]
) -> list[bytes]:
    """Return the hash of each event, and bring `heads` up to date.

    An event that does not follow the version in `heads` begins a chain.
    """
    packed = _packed_provenance(provenance)
    times: dict[datetime, str] = {}  # most events of a transaction happen at one
    hashes: list[bytes] = []
    for event in events:
        version, previous = heads.get(event.aggregate_id, (0, BEGINNING))
        if version != event.version - 1:
            previous = BEGINNING
        time = times.get(event.time) or times.setdefault(event.time, _instant(event.time))
        hashed = _link(previous, event, time, packed)
        heads[event.aggregate_id] = (event.version, hashed)
        hashes.append(hashed)
    return hashes


def provenance_of(record: Mapping[str, Any]) -> Provenance:
    """Read from a commit record who committed it."""
    stored = record.get("authority")
    authority = None
    if stored is not None:
        authority = Authority(
            stored["token"], stored["client"], stored["address"], tuple(stored["roles"])
        )
    return Provenance(record["at"], record["by"], tuple(record["roles"]), authority)


def authority_document(authority: Authority) -> Document:
    """Return an authority as a commit record stores it."""
    return {
        "token": authority.token_id,
        "client": authority.client,
        "address": authority.address,
        "roles": list(authority.roles),
    }


def _packed_provenance(provenance: Provenance) -> bytes:
    authority = provenance.authority
    fields = [_instant(provenance.at), provenance.by, "\n".join(provenance.roles)]
    if authority is not None:
        optional = (authority.client, authority.address)
        fields += (authority.token_id, *("" if text is None else f"={text}" for text in optional))
        fields.append("\n".join(authority.roles))
    return _packed(*fields)


def _instant(instant: datetime) -> str:
    """As MongoDB keeps it: UTC, in milliseconds."""
    in_utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return in_utc.isoformat(timespec="milliseconds")


def _packed(*fields: str) -> bytes:
    """Fields behind their number and lengths, so that no two contents are written alike."""
    lengths = struct.pack(f">{len(fields) + 1}Q", len(fields), *map(len, fields))
    return lengths + "".join(fields).encode()
