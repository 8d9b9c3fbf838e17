"""What any service of ours told, whatever died in between: ids by aggregate and version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from aiokafka import ConsumerRecord

Record: TypeAlias = ConsumerRecord[bytes, bytes]
Place = tuple[str, int]  # an aggregate and its version


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
