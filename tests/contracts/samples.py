"""Recorded messages: written once, never edited, read by every later version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.contracts.envelope import CloudEvent, read
from shared.contracts.events import EventData
from tools.schemas import SAMPLES


@dataclass(frozen=True, slots=True)
class Sample:
    """A recorded record; the value of a structured one holds the envelope too."""

    name: str
    key: str
    headers: list[tuple[str, bytes]]
    value: bytes

    @property
    def event(self) -> CloudEvent:
        return read(self.headers, self.value)

    @property
    def data(self) -> dict[str, Any]:
        """The data, parsed from its JSON."""
        document: dict[str, Any] = json.loads(self.event.data)
        return document


def load(path: Path) -> Sample:
    record = json.loads(path.read_text(encoding="utf-8"))
    return Sample(
        name=f"{path.parent.name}/{path.stem}",
        key=record["key"],
        headers=[(name, text.encode()) for name, text in record["headers"].items()],
        value=json.dumps(record["value"], ensure_ascii=False).encode(),
    )


def of(event: type[EventData], number: int = 1) -> Sample:
    """A recorded message of an event; the first has every field."""
    return load(SAMPLES / f"{event.__name__}.v1" / f"{number:04}.json")


def every() -> list[Sample]:
    return [load(path) for path in sorted(SAMPLES.glob("*/*.json"))]
