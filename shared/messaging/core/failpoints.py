"""Named steps at which a process may die, so that a test can kill it at each of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias


class Failpoint(StrEnum):
    """A point between two lines at which a crash must be harmless."""

    CONSUME_READ = "consume.read"  # records read, nothing decided
    CONSUME_DECIDED = "consume.decided"  # verdicts known, nothing written anywhere
    CONSUME_DEAD_LETTERED = "consume.dead-lettered"  # acknowledged by Kafka, position not passed
    CONSUME_SAVED = "consume.saved"  # committed in MongoDB, Kafka's offset behind
    CONSUME_ACKNOWLEDGED = "consume.acknowledged"  # Kafka's offset follows
    COMMIT_BEGUN = "commit.begun"  # transaction open, empty
    COMMIT_CLAIMED = "commit.claimed"  # position moved and lease touched
    COMMIT_WRITTEN = "commit.written"  # state written
    COMMIT_RECORDED = "commit.recorded"  # commit record written, transaction still open
    COMMIT_DONE = "commit.done"  # committed
    SEND_READ = "send.read"  # pending records read, nothing sent
    SEND_HANDED = "send.handed"  # handed to the producer, not acknowledged
    SEND_ACKNOWLEDGED = "send.acknowledged"  # acknowledged by Kafka, still marked pending
    MARK_WRITTEN = "mark.written"  # mark taken off, transaction still open
    MARK_DONE = "mark.done"  # committed


FailpointHook: TypeAlias = Callable[[Failpoint], None]
"""Called at each step; a test may let it raise or kill the process."""


class UnknownFailpoint(ValueError):
    """The failpoint does not exist; the message lists those that do."""


def no_faults(step: Failpoint) -> None:
    """Do nothing: the hook of every process that is not under test."""


def kill_at(wish: str) -> FailpointHook:
    """Build a hook that ends this process with SIGKILL at `"<step>"` or `"<step>:<n-th time>"`.

    Raises UnknownFailpoint.
    """
    name, _, count = wish.partition(":")
    try:
        armed, left = Failpoint(name), int(count or "1")
    except ValueError as error:
        known = ", ".join(Failpoint)
        raise UnknownFailpoint(
            f"{wish!r}: a step and, after a colon, a count; steps: {known}"
        ) from error

    def reach(step: Failpoint) -> None:
        nonlocal left
        if step is armed:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reach
