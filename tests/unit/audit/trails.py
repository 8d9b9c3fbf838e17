"""Entries of an audit trail, for the tests of verification and export."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.messaging.core.model import Event
from shared.messaging.ledger.chain import Provenance, chained
from shared.runtime.principals import Authority
from tools.audit.trail import Committed

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
AUTHORITY = Authority("t-1", "board", "10.0.0.7", ("coordination",))
WHO = Provenance(AT, "c.ahmadi", ("coordination",), AUTHORITY)
DATABASE = "followups_civil"


def trail(versions: int, aggregate: str = "f", begins: int = 1) -> list[Committed]:
    """An aggregate whose chain begins with that version; what is before has no hash."""
    events = [
        Event(
            id=f"{aggregate}{version}",
            type="peygir.FollowupProgressed.v1",
            topic="t",
            key=aggregate,
            aggregate_id=aggregate,
            version=version,
            time=AT,
            dataschema="x",
            data=b'{"progress": 1}',
        )
        for version in range(1, versions + 1)
    ]
    hashes = [None] * (begins - 1) + chained(events[begins - 1 :], WHO, {})
    return [
        Committed(DATABASE, "request", event, WHO, hashed)
        for event, hashed in zip(events, hashes, strict=True)
    ]
