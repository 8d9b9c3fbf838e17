"""Finds and erases in MongoDB. Safe to repeat, and to interrupt at any point.

What is erased is on record before anything of it goes, so that whoever runs this again knows what
was begun.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from bson.codec_options import CodecOptions
from pymongo import MongoClient, ReturnDocument
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from tools.erase.erasures import (
    Erasure,
    EvidenceFile,
    Fields,
    Key,
    ReportTexts,
    erasure_of,
    fields_of,
    key_of,
)
from tools.erase.planning import (
    Found,
    Recorded,
    files_of,
    reply_without_texts,
    texts_of,
    without_texts,
)

Document: TypeAlias = dict[str, Any]
Client: TypeAlias = MongoClient[Document]

_DURABLE: Final = WriteConcern("majority", j=True)
_AWARE: Final = CodecOptions[Document](tz_aware=True, tzinfo=UTC)
_REPORTS: Final = "reports"
_FOLLOWUPS: Final = ("followups", "elsewhere")
_NAMES_AT_ONCE: Final = 1_000


class NotThere(Exception):
    """There is nothing of that name that could be erased; the message says what is missing."""


class Databases:
    """The databases of an installation that hold texts of reports and files of evidence."""

    def __init__(self, client: Client, deputies: Sequence[str], namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._deputies = [f"followups_{deputy}" for deputy in deputies]

    def report(self, session_id: str) -> Found:
        """The report of a session. Raises NotThere and the driver's errors."""
        for found in self._reports([session_id]):
            return found
        raise NotThere(f"there is no report of the session {session_id}")

    def evidence(self, followup_id: str, evidence_id: str) -> Found:
        """A file of evidence, wherever it is. Raises NotThere and the driver's errors."""
        holders: set[str] = set()
        for name, document in self._evidenced({"_id": followup_id}):
            for piece in document["evidence"]:
                if piece["evidence_id"] != evidence_id:
                    continue
                if piece.get("url") is not None:
                    raise NotThere(f"{evidence_id} is a link: nothing of it is stored here")
                holders.add(name)
        if not holders:
            raise NotThere(f"no follow-up {followup_id} has evidence {evidence_id}")
        (found,) = self._files({evidence_id: (followup_id, holders)})
        return found

    def season(self, season: str) -> Sequence[Found]:
        """The reports and files of evidence of a season's sessions.

        Raises NotThere and the driver's errors.
        """
        sessions = self._database("scheduler")["sessions"].find({"season": season}, {"_id": 1})
        ids = [session["_id"] for session in sessions]
        if not ids:
            raise NotThere(f"the scheduler has no session of a season {season}")
        known: dict[str, tuple[str, set[str]]] = {}
        for name, document in self._evidenced({"session_id": {"$in": ids}}):
            for piece in document["evidence"]:
                if piece.get("url") is None:
                    at_first = (document["_id"], set[str]())
                    known.setdefault(piece["evidence_id"], at_first)[1].add(name)
        return [*self._reports(ids), *self._files(known)]

    def recorded(self) -> Mapping[Key, Sequence[Recorded]]:
        """All erasures on record, by what was erased. Raises BadErasure, the driver's errors."""
        erasures: dict[str, Erasure] = {}
        is_done: defaultdict[str, bool] = defaultdict(lambda: True)
        for name in (_REPORTS, *self._deputies):
            for document in self._database(name)["erasures"].find():
                id_ = document["_id"]
                erasures[id_] = erasure_of(id_, document)
                is_done[id_] &= document["done_at"] is not None
        found: defaultdict[Key, list[Recorded]] = defaultdict(list)
        for id_, erasure in erasures.items():
            found[key_of(erasure.subject)].append(Recorded(erasure, is_done[id_]))
        return found

    def is_there(self, erasure: Erasure) -> bool:
        """Whether anything is stored that this would erase. Raises the driver's errors."""
        match erasure.subject:
            case ReportTexts() as texts:
                expectations = self._database(_REPORTS)["expectations"]
                return expectations.find_one(texts_of(texts), {"_id": 1}) is not None
            case EvidenceFile() as file:
                wanted = files_of(erasure, file)
                stored = (self._database(name)["evidence.files"] for name in self._deputies)
                return any(files.find_one(wanted, {"_id": 1}) for files in stored)

    def erase(self, erasure: Erasure, now: datetime) -> None:
        """Put an erasure on record and carry it out; `now` (UTC) is when it is done.

        Raises the driver's errors.
        """
        match erasure.subject:
            case ReportTexts() as texts:
                self._erase_report(erasure, texts, now)
            case EvidenceFile() as file:
                for name in self._deputies:
                    self._erase_file(erasure, file, name, now)

    def _reports(self, session_ids: Collection[str]) -> Iterator[Found]:
        wanted = {"_id": {"$in": list(session_ids)}, "report": {"$type": "object"}}
        shown = dict.fromkeys(("report_id", "report.revision", "report.lost"), 1)
        for document in self._database(_REPORTS)["expectations"].find(wanted, shown):
            report = document["report"]
            subject = ReportTexts(document["_id"], document["report_id"], report["revision"])
            yield Found(subject, is_there=report.get("lost") is None)

    def _evidenced(self, wanted: Document) -> Iterator[tuple[str, Document]]:
        """Yield the follow-ups with evidence that are or were in a database, with its name."""
        having = {**wanted, "evidence.0": {"$exists": True}}
        for name in self._deputies:
            for collection in _FOLLOWUPS:
                for document in self._database(name)[collection].find(having, {"evidence": 1}):
                    yield name, document

    def _files(self, known: Mapping[str, tuple[str, Collection[str]]]) -> Iterator[Found]:
        """Yield these pieces with what is stored of them; `known` has their follow-ups by id."""
        holders = {id_: set(names) for id_, (_, names) in known.items()}
        stored: defaultdict[str, list[str]] = defaultdict(list)
        sizes: defaultdict[str, int] = defaultdict(int)
        names = list(known)
        for name in self._deputies:
            files = self._database(name)["evidence.files"]
            for start in range(0, len(names), _NAMES_AT_ONCE):
                some = {"filename": {"$in": names[start : start + _NAMES_AT_ONCE]}}
                for file in files.find(some, {"filename": 1, "length": 1}):
                    holders[file["filename"]].add(name)
                    stored[file["filename"]].append(file["_id"])
                    sizes[file["filename"]] += file["length"]
        for id_, (followup_id, _) in known.items():
            there = tuple(sorted(stored[id_]))
            subject = EvidenceFile(followup_id, id_, tuple(sorted(holders[id_])), there)
            yield Found(subject, is_there=bool(there), size=sizes[id_])

    def _erase_report(self, erasure: Erasure, texts: ReportTexts, now: datetime) -> None:
        database, at = self._database(_REPORTS), erasure.order.at
        self._begin(database, erasure, fields_of(erasure))
        database["expectations"].update_one(texts_of(texts), without_texts(at))
        for reply in database["replies"].find({}, {"body": 1}):
            body = reply_without_texts(reply["body"], texts, at)
            if body is not None:  # kept: without it, a repeated request would count as a new one
                database["replies"].update_one({"_id": reply["_id"]}, {"$set": {"body": body}})
        self._end(database, erasure, now)

    def _erase_file(self, erasure: Erasure, file: EvidenceFile, name: str, now: datetime) -> None:
        database = self._database(name)
        found = [f["_id"] for f in database["evidence.files"].find(files_of(erasure, file))]
        if not found and name not in file.databases:
            return
        fields = fields_of(erasure)
        ids = self._begin(database, erasure, fields, {*file.files, *found})["files"]
        # What has no document of a file has no readers; its pieces are found by what is on record.
        database["evidence.files"].delete_many({"_id": {"$in": ids}})
        database["evidence.chunks"].delete_many({"files_id": {"$in": ids}})
        self._end(database, erasure, now)

    def _begin(
        self,
        database: Database[Document],
        erasure: Erasure,
        fields: Fields,
        files: Collection[str] = (),
    ) -> Document:
        """Put an erasure on record, and return the record."""
        at_first = {name: value for name, value in fields.items() if name != "files"}
        update: Document = {"$setOnInsert": {**at_first, "done_at": None}}
        if "files" in fields:
            update["$addToSet"] = {"files": {"$each": sorted(files)}}
        record = database["erasures"].find_one_and_update(
            {"_id": erasure.id}, update, upsert=True, return_document=ReturnDocument.AFTER
        )
        assert record is not None, "it was inserted if it was not there"
        return record

    def _end(self, database: Database[Document], erasure: Erasure, now: datetime) -> None:
        begun = {"_id": erasure.id, "done_at": None}
        database["erasures"].update_one(begun, {"$set": {"done_at": now}})

    def _database(self, name: str) -> Database[Document]:
        full = self._namespace + name
        return self._client.get_database(full, codec_options=_AWARE, write_concern=_DURABLE)
