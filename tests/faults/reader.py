"""An independent reader: what has to be true of topics and API, whatever died in between.

It uses none of the service's code: it parses JSON and counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiokafka import ConsumerRecord

Record: TypeAlias = ConsumerRecord[bytes, bytes]
Origin = tuple[str, int, int]
Place = tuple[str, int]  # an aggregate and its version


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a follow-up as a reader sees it."""

    id: str
    type: str
    sequence: int
    followup_id: str
    resolution_id: str
    level: int | None


def events_of(records: Sequence[Record]) -> list[Told]:
    """The events of a topic in order, each `ce_id` where it stands for the first time."""
    told: dict[str, Told] = {}
    for record in records:
        head = {name: value.decode() for name, value in record.headers}
        data = json.loads(record.value)
        told.setdefault(
            head["ce_id"],
            Told(
                head["ce_id"],
                head["ce_type"].split(".")[1],
                int(head["ce_sequence"]),
                data["followup_id"],
                data["resolution_id"],
                data.get("level"),
            ),
        )
    return list(told.values())


def ids_by_version(records: Sequence[Record]) -> dict[Place, set[str]]:
    """Every `ce_id` under which an aggregate's version was told, by aggregate and version.

    What has no sequence, or is no event, is a stranger's, and left out.
    """
    found: dict[Place, set[str]] = {}
    for record in records:
        head = {name: value.decode() for name, value in record.headers}
        if "ce_sequence" in head:
            place = (head["ce_subject"], int(head["ce_sequence"]))
            found.setdefault(place, set()).add(head["ce_id"])
    return found


def dead_letters_of(records: Sequence[Record]) -> dict[Origin, str]:
    """The reason of each dead letter, by its origin, however often it was written."""
    found: dict[Origin, str] = {}
    for record in records:
        head = dict(record.headers)
        origin = (
            head["x-origin-topic"].decode(),
            int(head["x-origin-partition"]),
            int(head["x-origin-offset"]),
        )
        found[origin] = head["x-error-type"].decode()
    return found


def faults(
    wanted: Collection[str],
    items: Sequence[Mapping[str, Any]],
    told: Sequence[Told],
) -> list[str]:
    """Everything that is wrong with the follow-ups of these resolutions; empty where all holds."""
    wrong: list[str] = []
    stored = Counter(item["resolution_id"] for item in items)
    wrong += [f"lost: {id_}" for id_ in wanted if stored[id_] == 0]
    wrong += [f"stored {n} times: {id_}" for id_, n in stored.items() if n > 1]
    wrong += [f"nobody approved: {id_}" for id_ in stored if id_ not in wanted]
    by_followup: dict[str, list[Told]] = {}
    for event in told:
        by_followup.setdefault(event.followup_id, []).append(event)
    for item in items:
        events = by_followup.pop(item["followup_id"], [])
        versions = [event.sequence for event in events]
        if versions != list(range(1, item["version"] + 1)):
            wrong.append(f"versions of {item['resolution_id']}: {versions}, at {item['version']}")
        opened = [event for event in events if event.type == "FollowupOpened"]
        if len(opened) != 1:
            wrong.append(f"opened {len(opened)} times: {item['resolution_id']}")
        levels = [event.level for event in events if event.type == "FollowupOverdue"]
        if levels != list(range(1, len(levels) + 1)):
            wrong.append(f"levels of {item['resolution_id']}: {levels}")
    wrong += [f"told of what is not stored: {id_}" for id_ in by_followup]
    return wrong
