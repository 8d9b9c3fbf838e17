"""What there is to erase, and how: decided here, done in `databases`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from tools.erase.erasures import (
    Erasure,
    EvidenceFile,
    Key,
    ReportTexts,
    Subject,
    covers,
    key_of,
)

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """Something that may be erased, as it is stored now."""

    subject: Subject
    is_there: bool  # False: its content is gone already, but no record says that it was erased
    size: int = 0  # bytes of files


@dataclass(frozen=True, slots=True)
class Recorded:
    """An erasure on record, and whether it was carried out to its end."""

    erasure: Erasure
    is_done: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in this order."""

    unfinished: Sequence[Erasure]
    new: Sequence[Found]


def plan(found: Iterable[Found], recorded: Mapping[Key, Sequence[Recorded]]) -> Plan:
    """What is left to do about these.

    What was begun is finished. What is lost already is put on record too: a copy may hold it.
    """
    unfinished: dict[str, Erasure] = {}
    new: list[Found] = []
    for one in found:
        records = recorded.get(key_of(one.subject), ())
        begun = [record.erasure for record in records if not record.is_done]
        unfinished |= {erasure.id: erasure for erasure in begun}
        if any(covers(erasure.subject, one.subject) for erasure in begun):
            continue
        if one.is_there or not records:
            new.append(one)
    return Plan(list(unfinished.values()), new)


def texts_of(subject: ReportTexts) -> Document:
    """The filter for a report that still has its texts, in a revision that is to be erased.

    A revision that came later is a new act of the province: it stays.
    """
    return {
        "_id": subject.session_id,
        "report.revision": {"$lte": subject.revision},
        "report.lost.erased_at": None,
    }


def without_texts(at: datetime) -> Sequence[Document]:
    """The update that takes a report's texts and keeps how many there were.

    It counts as an edition, so that whoever has read the texts cannot save them once more.
    """
    counts = {
        name: {"$ifNull": [f"$report.lost.{name}", {"$size": f"$report.{name}"}]}
        for name in ("initiatives", "special_topics")
    }
    return [
        {
            "$set": {
                "edition": {"$add": ["$edition", 1]},
                "report.lost": {**counts, "erased_at": at},
                "report.answers": {"$literal": {}},
                "report.initiatives": [],
                "report.special_topics": [],
            }
        }
    ]


def reply_without_texts(body: bytes, subject: ReportTexts, at: datetime) -> bytes | None:
    """The stored reply to a request without the texts; None if it has none of them."""
    try:
        shown = json.loads(body)
    except ValueError:
        return None
    if not isinstance(shown, dict) or shown.get("report_id") != subject.report_id:
        return None
    if shown.get("content") is None or shown["revision"] > subject.revision:
        return None
    erased_at = at.isoformat().replace("+00:00", "Z")  # as the service writes it
    gone = {"content": None, "texts_lost": True, "erased_at": erased_at}
    return json.dumps({**shown, **gone}, ensure_ascii=False).encode()


def files_of(erasure: Erasure, subject: EvidenceFile) -> Document:
    """The filter for the stored files of a piece of evidence that are to be erased.

    In a restored copy these are the same; what was handed in anew after the erasure stays.
    """
    stored = [{"_id": {"$in": list(subject.files)}}, {"uploadDate": {"$lte": erasure.order.at}}]
    return {"filename": subject.evidence_id, "$or": stored}
