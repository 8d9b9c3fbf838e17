"""Who may send what: the rule by which an event's source is believed, or refused as `forbidden`.

Kafka tells a reader who may write to a topic, but not who wrote a record. Topics that one service
alone may write to need no more than that right. On the topics of resolutions several may write, so
there each event is signed by its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from shared.contracts.envelope import CloudEvent
from shared.contracts.events import (
    EventData,
    ResolutionAmended,
    ResolutionApproved,
    ResolutionWithdrawn,
)
from shared.messaging.core.model import Record, Refusal
from shared.runtime.integrators import Integrators
from shared.runtime.signatures import Forged, is_signed, require_signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORBIDDEN: Final = "forbidden"
"""The reason with which an event is refused whose source may not send it."""

MENDED: Final = "mended_from"
"""A header that the tool for dead letters gives what it has mended, and nothing else."""

_SHARED: Final = (ResolutionApproved, ResolutionAmended, ResolutionWithdrawn)


class SourceRule:
    """Believes a source if it signed the event and is entitled to the deputy that it names."""

    def __init__(self, integrators: Callable[[], Integrators], sources: Mapping[str, str]) -> None:
        """`integrators` returns them as they are now; `sources`: our services, by `ce_source`."""
        self._integrators = integrators
        self._sources = sources

    def refusal(
        self, record: Record, event: CloudEvent, data: EventData, *, replayed: bool
    ) -> Refusal | None:
        """Why an event may not be applied; None if it may.

        What an operator has mended cannot have its source's signature any more. Only the tool for
        dead letters may write to a topic of replays, so there `mended_from` takes its place.
        """
        if not isinstance(data, _SHARED):
            return None
        keys = self._keys(event.source, data.deputy)
        if isinstance(keys, Refusal):
            return keys
        mended = replayed and any(name.lower() == MENDED for name, _ in record.headers)
        if mended and not is_signed(record.headers):
            return None
        try:
            require_signature(keys, record.key, record.headers, record.value)
        except Forged as forged:
            return Refusal(FORBIDDEN, f"{event.source!r} did not send it: {forged}")
        return None

    def require(self, record: Record, event: CloudEvent, data: EventData) -> None:
        """Raise Forged unless an event of a topic may be believed."""
        refusal = self.refusal(record, event, data, replayed=False)
        if refusal is not None:
            raise Forged(refusal.detail)

    def _keys(self, source: str, deputy: str) -> Iterable[Ed25519PublicKey] | Refusal:
        known = self._integrators()
        service = self._sources.get(source)
        if service is not None:
            return known.services.get(service, {}).values()
        integrator = known.of_source(source)
        if integrator is None:
            return Refusal(FORBIDDEN, f"{source!r} is the source of no known integrator")
        if deputy not in integrator.deputies:
            return Refusal(FORBIDDEN, f"{integrator.name} may not send resolutions of {deputy!r}")
        return integrator.keys.values()
