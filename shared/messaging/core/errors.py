"""The errors of delivery. They know no driver, so that handlers can name them."""

from __future__ import annotations

from collections.abc import Iterable

from shared.runtime.errors import Transient


class Stale(Transient):
    """The aggregate has moved on since it was loaded, or is just being written by another."""


class AlreadyExists(Stale):
    """What was to be inserted exists: another was faster, or the decision cannot see it."""


class StillRecovering(Transient):
    """A database may not hold yet what its own topics do: as good as one that does not answer."""


class PositionMoved(Exception):
    """The stored position is not where this consumer thinks: it lost the partition, or slept."""


class LeaseLost(Exception):
    """Somebody else holds the lease: this process slept longer than it lasts."""


class Unsendable(Transient):
    """A record that Kafka does not take, whatever its state: too large, no such topic.

    To whoever has to write just this record it is transient: an operator can mend it.
    """


class TopicsMissing(Transient):
    """Topics that this process reads do not exist yet; waiting for them helps."""

    def __init__(self, topics: Iterable[str]) -> None:
        super().__init__(f"run python -m tools.topics; missing: {', '.join(sorted(topics))}")


class HistoryChanged(Exception):
    """The database stands before what this process has seen: it was restored from an older copy.

    What is in memory belongs to another history, so the process ends and is started anew.
    """
