"""What is erased and on whose word, as it is written down: ids and dates, never a text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, assert_never

Fields: TypeAlias = dict[str, Any]

_REPORT: Final = "report"
_EVIDENCE: Final = "evidence"


class BadErasure(Exception):
    """A line or a document that describes no erasure; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class ReportTexts:
    """The texts of a province's report, in all revisions up to this one."""

    session_id: str
    report_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file of evidence, wherever pieces of it are stored."""

    followup_id: str
    evidence_id: str
    databases: tuple[str, ...]  # of the deputies who have or had it, without a namespace
    files: tuple[str, ...]  # ids in GridFS of what was stored


Subject: TypeAlias = ReportTexts | EvidenceFile
Key: TypeAlias = tuple[str, str]
"""Of which kind something is, and its id."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants something to be erased, and why."""

    at: datetime  # UTC, to the millisecond
    who: str
    why: str
    season: str | None = None  # None: it was named alone


@dataclass(frozen=True, slots=True)
class Erasure:
    """One thing that is erased for good."""

    id: str
    order: Order
    subject: Subject


def key_of(subject: Subject) -> Key:
    """What tells one subject from all others."""
    match subject:
        case ReportTexts():
            return _REPORT, subject.session_id
        case EvidenceFile():
            return _EVIDENCE, subject.evidence_id
    assert_never(subject)


def covers(erased: Subject, found: Subject) -> bool:
    """Whether erasing the first erases the second too, as it was found."""
    match erased, found:
        case ReportTexts(), ReportTexts():
            return erased.session_id == found.session_id and erased.revision >= found.revision
        case EvidenceFile(), EvidenceFile():
            same = erased.evidence_id == found.evidence_id
            return same and set(erased.files) >= set(found.files)
        case _:
            return False


def fields_of(erasure: Erasure) -> Fields:
    """An erasure as the fields of a document, all but its id."""
    order = erasure.order
    fields: Fields = {"at": order.at, "who": order.who, "why": order.why}
    if order.season is not None:
        fields["season"] = order.season
    match erasure.subject:
        case ReportTexts(session_id, report_id, revision):
            named: Fields = {"session_id": session_id, "report_id": report_id, "revision": revision}
            return {**fields, "what": _REPORT, **named}
        case EvidenceFile(followup_id, evidence_id, databases, files):
            named = {"followup_id": followup_id, "evidence_id": evidence_id}
            stored = {"databases": list(databases), "files": list(files)}
            return {**fields, "what": _EVIDENCE, **named, **stored}
    assert_never(erasure.subject)


def erasure_of(id_: str, fields: Mapping[str, Any]) -> Erasure:
    """The erasure of such fields. Raises BadErasure."""
    try:
        order = Order(fields["at"], fields["who"], fields["why"], fields.get("season"))
        if fields["what"] == _REPORT:
            names = (fields["session_id"], fields["report_id"], int(fields["revision"]))
            return Erasure(id_, order, ReportTexts(*names))
        if fields["what"] == _EVIDENCE:
            stored = (tuple(fields["databases"]), tuple(fields["files"]))
            file = EvidenceFile(fields["followup_id"], fields["evidence_id"], *stored)
            return Erasure(id_, order, file)
    except (KeyError, TypeError, ValueError) as error:
        raise BadErasure(f"{type(error).__name__}: {error}") from error
    raise BadErasure(f"nothing is erased that is a {fields['what']!r}")


def line_of(erasure: Erasure) -> str:
    """An erasure as one line of JSON, with its end of line."""
    fields = fields_of(erasure)
    at = erasure.order.at.isoformat(timespec="milliseconds")
    return json.dumps({"id": erasure.id, **fields, "at": at}, ensure_ascii=False) + "\n"


def erasure_in(line: str) -> Erasure:
    """The erasure of a line. Raises BadErasure."""
    try:
        fields = json.loads(line)
        at = datetime.fromisoformat(fields["at"]).astimezone(UTC)
        return erasure_of(fields["id"], {**fields, "at": at})
    except (KeyError, TypeError, ValueError) as error:
        raise BadErasure(f"{type(error).__name__}: {error}") from error
