"""Evidence: files and links that show the progress of a follow-up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from unicodedata import category
from uuid import UUID

from services.followups.domain.permissions import require
from services.followups.domain.records import EvidenceAdded, Followup
from services.followups.domain.transitions import Transition
from shared.runtime.ids import name_id
from shared.runtime.principals import Principal
from shared.runtime.refusals import Refused
from shared.runtime.safe_text import writable
from shared.text import normalise_line, shows

MOST: Final = 100  # pieces of one follow-up
LONGEST_NAME: Final = 255  # characters

_EVIDENCE_IDS = UUID("0c1de0a3-1f7c-5a52-9d5e-6a4f0f1f6b0d")
_ZWNJ: Final = "\u200c"
_UNPRINTABLE: Final = frozenset({"Cc", "Co", "Cs", "Zl", "Zp"})
_BLANKED: Final = re.compile(  # what a client made of a name that it could not encode
    r"[\s._-]*\?[?\s._-]*(\.[a-z0-9]*)?", re.IGNORECASE
)
_DEVICE: Final = re.compile(  # Windows allows no such file name, with any extension
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE
)


class TooMuchEvidence(Refused):
    """The follow-up already has the largest allowed number of pieces of evidence."""

    reason = "too-much-evidence"


class EmptyFile(Refused):
    """The file is empty."""

    reason = "empty-file"


class BadName(Refused):
    """The file name is not readable for people."""

    reason = "bad-name"


@dataclass(frozen=True, slots=True)
class File:
    """A completely received file."""

    name: str  # as `file_name` returned it
    media_type: str
    bytes: int
    sha256: str  # hex


@dataclass(frozen=True, slots=True)
class Link:
    """The address of evidence that is kept elsewhere."""

    url: str  # http or https
    sha256: str | None = None  # hex, of the content at that address


def file_name(given: str) -> str:
    """Return a file name without its folders. Raises BadName.

    Invisible characters are removed, including direction marks, which make `txt.exe` look like
    `exe.txt`. So are dots and blanks at the end, which Windows would drop. The name of a Windows
    device gets the prefix `_`.
    """
    name = given.replace("\\", "/").rpartition("/")[2].replace("\t", " ").strip()
    name = "".join(c for c in name if category(c) != "Cf" or c == _ZWNJ)
    if any(category(character) in _UNPRINTABLE for character in name):
        raise BadName("a name is one line of characters that can be seen: گزارش.pdf")
    if "\ufffd" in writable(name) or _BLANKED.fullmatch(name):
        raise BadName("its letters were lost on the way: filename*=UTF-8''%D9%BE%D9%84.pdf")
    name = normalise_line(name).rstrip(f". {_ZWNJ}")
    if _DEVICE.match(name):
        name = f"_{name}"
    if not shows(name) or len(name) > LONGEST_NAME:
        raise BadName(
            f"a name has 1 to {LONGEST_NAME} characters that can be seen, not dots alone: گزارش.pdf"
        )
    return name


def require_room(followup: Followup, by: Principal, now: datetime) -> None:
    """Check that one more piece may be added. Raises NotAllowed, NotNow, TooMuchEvidence."""
    require(followup, Transition.ADD_EVIDENCE, by, now)
    if len(followup.evidence) >= MOST:
        raise TooMuchEvidence(f"{MOST} pieces of evidence are there, no more can be")


def add_file(
    followup: Followup, by: Principal, file: File, note: str | None, now: datetime
) -> EvidenceAdded | None:
    """Add a file; return None if the same content is there already, under any name.

    Raises NotAllowed, NotNow, EmptyFile, TooMuchEvidence.
    """
    require(followup, Transition.ADD_EVIDENCE, by, now)
    if file.bytes == 0:
        raise EmptyFile("the file is empty")
    id_ = file_id(followup, file.sha256)
    if find(followup, id_) is not None:
        return None
    require_room(followup, by, now)
    return EvidenceAdded(
        now, by.id, id_, file.name, file.media_type, file.bytes, file.sha256, None, note
    )


def add_link(
    followup: Followup, by: Principal, link: Link, note: str | None, now: datetime
) -> EvidenceAdded | None:
    """Add a link; return None if it is there already, with the same hash.

    Raises NotAllowed, NotNow, TooMuchEvidence.
    """
    require(followup, Transition.ADD_EVIDENCE, by, now)
    id_ = link_id(followup, link)
    if find(followup, id_) is not None:
        return None
    require_room(followup, by, now)
    return EvidenceAdded(now, by.id, id_, None, None, None, link.sha256, link.url, note)


def file_id(followup: Followup, sha256: str) -> str:
    """Return the id of a file with this content as evidence of the follow-up."""
    return name_id(_EVIDENCE_IDS, f"{followup.followup_id}|file|{sha256}")


def link_id(followup: Followup, link: Link) -> str:
    """Return the id of a link as evidence of the follow-up."""
    return name_id(_EVIDENCE_IDS, f"{followup.followup_id}|link|{link.sha256}|{link.url}")


def find(followup: Followup, evidence_id: str) -> EvidenceAdded | None:
    """Return the piece with this id, or None."""
    return next((p for p in followup.evidence if p.evidence_id == evidence_id), None)
