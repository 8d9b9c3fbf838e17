"""Whom the mail server has trouble with, so that nobody else waits for them. Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from services.notify.domain.backoff import wait_seconds
from services.notify.domain.notices import Trouble

_SLOW_SECONDS: Final = 2.0
_QUICK: Final = 1
_SLOW: Final = 5

_OF_A_RECIPIENT: Final = 5  # one slow failure, or five quick ones
_OF_A_DOMAIN: Final = 10  # two slow ones, or ten quick ones, of two recipients or more


@dataclass(slots=True)
class _Suspect:
    """A recipient or a domain that was not answered for since it last was."""

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
    """Holds back what is for a recipient or a domain that costs everybody else time.

    One failure is a message's own. A recipient is held back after a refusal for now, after one
    failure that took two seconds or more, or after five quick ones in a row; a domain after two
    slow or ten quick ones in a row, of more than one recipient. When the wait is over, the first
    that is tried is the probe: if it fails too, all others wait twice as long. Any answer for a
    recipient ends his trouble and his domain's. Nothing of this is stored: another process finds
    it out anew.
    """

    def __init__(self, first_seconds: float) -> None:
        """`first_seconds` is the first wait."""
        self._first = first_seconds
        self._recipients: dict[str, _Suspect] = {}
        self._domains: dict[str, _Suspect] = {}

    def held(self, address: str, at: float) -> tuple[Trouble, float, str] | None:
        """Say whose trouble an address is held back for, until when (monotonic), and why."""
        domain = self._domains.get(_domain(address))
        if domain is not None and at < domain.until:
            return Trouble.DOMAIN, domain.until, domain.reason
        recipient = self._recipients.get(address)
        if recipient is not None and at < recipient.until:
            return Trouble.RECIPIENT, recipient.until, recipient.reason
        return None

    def answered(self, address: str) -> None:
        """The mail server took or refused a mail to that address."""
        self._recipients.pop(address, None)
        self._domains.pop(_domain(address), None)

    def deferred(self, address: str, reason: str, at: float, took: float) -> Trouble:
        """It refused the recipient for now, `took` seconds after it was asked."""
        recipient = self._recipients.setdefault(address, _Suspect())
        recipient.weight = max(recipient.weight, _OF_A_RECIPIENT)
        recipient.hold(at, self._first, reason)
        if took < _SLOW_SECONDS:
            self._domains.pop(_domain(address), None)
            return Trouble.RECIPIENT
        return self._suspect_domain(address, reason, at, _SLOW) or Trouble.RECIPIENT

    def interrupted(self, address: str, reason: str, at: float, took: float) -> Trouble:
        """It gave no answer to a mail to that address within `took` seconds, or hung up."""
        weight = _QUICK if took < _SLOW_SECONDS else _SLOW
        recipient = self._recipients.setdefault(address, _Suspect())
        recipient.weight += weight
        if recipient.weight >= _OF_A_RECIPIENT:
            recipient.hold(at, self._first, reason)
        return self._suspect_domain(address, reason, at, weight) or Trouble.MESSAGE

    def _suspect_domain(self, address: str, reason: str, at: float, weight: int) -> Trouble | None:
        domain = self._domains.setdefault(_domain(address), _Suspect())
        domain.weight += weight
        domain.recipients.add(address)
        if domain.weight < _OF_A_DOMAIN or len(domain.recipients) < 2:
            return None
        domain.hold(at, self._first, reason)
        return Trouble.DOMAIN


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
