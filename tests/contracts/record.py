"""Records today's schemas as the baseline: `python -m tests.contracts.record`.

Refuses where a change breaks a reader or a message; what is once recorded is kept by the tests.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from shared.contracts.events import EVENTS, EventData
from tests.contracts.compatibility import breaks
from tools.schemas import schema

BASELINE: Final = Path(__file__).parent / "baseline"


def path_of(event: type[EventData]) -> Path:
    return BASELINE / f"{event.__name__}.v1.json"


def recorded(event: type[EventData]) -> dict[str, Any]:
    """The schema of an event that integrators know."""
    found: dict[str, Any] = json.loads(path_of(event).read_text(encoding="utf-8"))
    return found


def main() -> int:
    BASELINE.mkdir(exist_ok=True)
    broken = [
        f"{event.__name__} {fault}"
        for event in EVENTS.values()
        if path_of(event).exists()
        for fault in breaks(recorded(event), schema(event))
    ]
    if broken:
        print("\n".join(broken), file=sys.stderr)
        return 1
    for event in EVENTS.values():
        text = json.dumps(schema(event), ensure_ascii=False, indent=2) + "\n"
        path_of(event).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
