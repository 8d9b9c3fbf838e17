"""How far behind the system is, as clients feel it: from a client's send to our event of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tests.faults.reading import text

STEADY_SECONDS: Final = 3.0
"""Nothing that was sent waits longer for its event, where all is well."""


class Pulse:
    """What was sent and has no event yet. Any thread may tell it, any may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, float] = {}  # by resolution, the longest first
        self.told: set[str] = set()  # resolutions whose opening was read

    def sent(self, resolution_id: str) -> None:
        """A good approval was handed to a client; sent again, the first time counts."""
        with self._lock:
            if resolution_id not in self.told:
                self._waiting.setdefault(resolution_id, time.monotonic())

    def opened(self, resolution_id: str) -> None:
        """Its event was read."""
        with self._lock:
            self.told.add(resolution_id)
            self._waiting.pop(resolution_id, None)

    def behind(self) -> float:
        """Seconds since the oldest that waits was sent; 0 where nothing waits."""
        with self._lock:
            first = next(iter(self._waiting.values()), None)
        return 0.0 if first is None else time.monotonic() - first

    @property
    def is_steady(self) -> bool:
        return self.behind() < STEADY_SECONDS


class Tail:
    """A reader that follows our topics as a service of somebody else would; a context manager."""

    def __init__(self, bootstrap: str, topics: Sequence[str], pulse: Pulse) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "tail",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "reconnect.backoff.max.ms": 500,
                "fetch.wait.max.ms": 100,
                "socket.timeout.ms": 3_000,
                "log_level": 0,
            }
        )
        self._topics = topics
        self._pulse = pulse
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="tail", daemon=True)

    def __enter__(self) -> Self:
        known = self._consumer.list_topics(timeout=30).topics
        self._consumer.assign(
            [TopicPartition(name, p, 0) for name in self._topics for p in known[name].partitions]
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.set()
        self._thread.join()
        self._consumer.close()

    def _follow(self) -> None:
        while not self._ends.is_set():
            for message in self._consumer.consume(500, timeout=0.1):
                self._see(message)

    def _see(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise KafkaException(error)
            assert error.code() != KafkaError.OFFSET_OUT_OF_RANGE, f"records are gone: {error}"
            return
        headers = dict(message.headers() or ())
        if headers.get("ce_type") == b"peygir.FollowupOpened.v1":
            self._pulse.opened(text(message.key()))
