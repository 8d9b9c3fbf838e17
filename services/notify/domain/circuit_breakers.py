"""Circuit breakers per recipient and per mail domain, so that one slow recipient delays no other.

Times in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from services.notify.domain.backoff import wait_seconds
from services.notify.domain.notices import Trouble

_SLOW_SECONDS: Final = 2.0
_QUICK_WEIGHT: Final = 1
_SLOW_WEIGHT: Final = 5

_RECIPIENT_THRESHOLD: Final = 5  # one slow failure, or five quick ones
_DOMAIN_THRESHOLD: Final = 10  # two slow ones, or ten quick ones, of two recipients or more


@dataclass(slots=True)
class _Breaker:
    """The failures of a recipient or a domain since the last answer for it."""

    weight: int = 0
    recipients: set[str] = field(default_factory=set)
    holds: int = 0
    until: float = 0.0  # monotonic
    reason: str = ""

    def hold(self, at: float, first_seconds: float, reason: str) -> None:
        self.holds += 1
        self.reason = reason
        self.until = at + wait_seconds(self.holds, first_seconds)


class CircuitBreakers:
    """Hold back mail to a recipient or a domain whose failures would delay everybody else's mail.

    A single quick failure concerns only its own message. A recipient is held back after a
    temporary refusal, after one failure that took two seconds or more, or after five quick ones
    in a row. A domain is held back after two slow or ten quick failures in a row that concern
    more than one recipient. When the wait is over, the first mail that is tried is the probe: if
    it fails too, the next wait is twice as long. Any answer for a recipient closes the breakers
    of the recipient and of its domain. Nothing is stored: another process starts with all closed.
    """

    def __init__(self, first_seconds: float) -> None:
        """`first_seconds` is the first wait."""
        self._first = first_seconds
        self._recipients: dict[str, _Breaker] = {}
        self._domains: dict[str, _Breaker] = {}

    def held(self, address: str, at: float) -> tuple[Trouble, float, str] | None:
        """Why and until when (monotonic) an address is held back, and its last failure; or None."""
        domain = self._domains.get(_domain(address))
        if domain is not None and at < domain.until:
            return Trouble.DOMAIN, domain.until, domain.reason
        recipient = self._recipients.get(address)
        if recipient is not None and at < recipient.until:
            return Trouble.RECIPIENT, recipient.until, recipient.reason
        return None

    def answered(self, address: str) -> None:
        """Record that the mail server accepted a mail to this address or refused its content."""
        self._recipients.pop(address, None)
        self._domains.pop(_domain(address), None)

    def deferred(self, address: str, reason: str, at: float, took: float) -> Trouble:
        """Record that it refused the recipient temporarily, after `took` seconds."""
        recipient = self._recipients.setdefault(address, _Breaker())
        recipient.weight = max(recipient.weight, _RECIPIENT_THRESHOLD)
        recipient.hold(at, self._first, reason)
        if took < _SLOW_SECONDS:
            self._domains.pop(_domain(address), None)
            return Trouble.RECIPIENT
        return self._count_domain_failure(address, reason, at, _SLOW_WEIGHT) or Trouble.RECIPIENT

    def interrupted(self, address: str, reason: str, at: float, took: float) -> Trouble:
        """Record that a mail to this address got no answer; it failed after `took` seconds."""
        weight = _QUICK_WEIGHT if took < _SLOW_SECONDS else _SLOW_WEIGHT
        recipient = self._recipients.setdefault(address, _Breaker())
        recipient.weight += weight
        if recipient.weight >= _RECIPIENT_THRESHOLD:
            recipient.hold(at, self._first, reason)
        return self._count_domain_failure(address, reason, at, weight) or Trouble.MESSAGE

    def _count_domain_failure(
        self, address: str, reason: str, at: float, weight: int
    ) -> Trouble | None:
        domain = self._domains.setdefault(_domain(address), _Breaker())
        domain.weight += weight
        domain.recipients.add(address)
        if domain.weight < _DOMAIN_THRESHOLD or len(domain.recipients) < 2:
            return None
        domain.hold(at, self._first, reason)
        return Trouble.DOMAIN


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
