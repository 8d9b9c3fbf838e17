"""The errors of delivery. They depend on no driver, so that handlers can use them."""

from __future__ import annotations

from collections.abc import Iterable

from shared.runtime.errors import Transient


class Stale(Transient):
    """The aggregate has changed since it was loaded, or another transaction is writing it."""


class AlreadyExists(Stale):
    """What was inserted exists already: another was faster, or the decision used old data."""


class StillRecovering(Transient):
    """A database has not yet taken in all of its own topics: it counts as not answering."""


class PositionMoved(Exception):
    """The stored position is not the expected one: this consumer lost the partition, or slept."""


class LeaseLost(Exception):
    """Another process holds the lease: this one slept longer than it lasts."""


class Unsendable(Transient):
    """A record that Kafka does not accept in any state: it is too large, or its topic is missing.

    It is transient for a writer that has to send this very record: an operator can repair it.
    """


class TopicsMissing(Transient):
    """Topics that this process reads do not exist yet; waiting for them helps."""

    def __init__(self, topics: Iterable[str]) -> None:
        super().__init__(f"run python -m tools.topics; missing: {', '.join(sorted(topics))}")


class NotAuthenticated(Transient):
    """Kafka does not accept who this process says it is; waiting for an operator helps."""


class NoRight(Transient):
    """This process may not do something in Kafka; the message says who may not do what."""


class HistoryChanged(Exception):
    """The database lacks what this process has seen: it was restored from an older copy.

    What is in memory belongs to another history, so the process ends and is started again.
    """
