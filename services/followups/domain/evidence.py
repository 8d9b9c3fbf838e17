"""Evidence: files and links that show how far a follow-up is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from unicodedata import category
from uuid import UUID

from services.followups.domain.decisions import require
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
_BLANKED: Final = re.compile(  # by a client that knows no more than Latin letters
    r"[\s._-]*\?[?\s._-]*(\.[a-z0-9]*)?", re.IGNORECASE
)
_DEVICE: Final = re.compile(  # no file of Windows has such a name, whatever stands behind the dot
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE
)


class TooMuchEvidence(Refused):
    """A follow-up has as many pieces of evidence as it may have."""

    reason = "too-much-evidence"


class EmptyFile(Refused):
    """A file without a byte shows nothing."""

    reason = "empty-file"


class BadName(Refused):
    """A file has a name that people can read."""

    reason = "bad-name"


@dataclass(frozen=True, slots=True)
class File:
    """A file that came in whole."""

    name: str  # as `file_name` made it
    media_type: str
    bytes: int
    sha256: str  # hex


@dataclass(frozen=True, slots=True)
class Link:
    """An address at which evidence is to be found."""

    url: str  # http or https
    sha256: str | None = None  # hex, of what is to be found there


def file_name(given: str) -> str:
    """A file's name as it was written, without the folders before it. Raises BadName.

    What nobody sees goes, controls of direction too: they make `txt.exe` look like `exe.txt`. So do
    dots and blanks at its end, which Windows would drop; a device's name gets `_` before it.
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
    """Refuse evidence before any of it is taken. Raises NotAllowed, NotNow, TooMuchEvidence."""
    require(followup, Transition.ADD_EVIDENCE, by, now)
    if len(followup.evidence) >= MOST:
        raise TooMuchEvidence(f"{MOST} pieces of evidence are there, no more can be")


def add_file(
    followup: Followup, by: Principal, file: File, note: str | None, now: datetime
) -> EvidenceAdded | None:
    """Hand in a file; None where it is there already, under whatever name.

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
    """Hand in a link; None where it is there already, with the same hash.

    Raises NotAllowed, NotNow, TooMuchEvidence.
    """
    require(followup, Transition.ADD_EVIDENCE, by, now)
    id_ = link_id(followup, link)
    if find(followup, id_) is not None:
        return None
    require_room(followup, by, now)
    return EvidenceAdded(now, by.id, id_, None, None, None, link.sha256, link.url, note)


def file_id(followup: Followup, sha256: str) -> str:
    """The id that a file with that content has among the evidence of a follow-up."""
    return name_id(_EVIDENCE_IDS, f"{followup.followup_id}|file|{sha256}")


def link_id(followup: Followup, link: Link) -> str:
    """The id that a link has among the evidence of a follow-up."""
    return name_id(_EVIDENCE_IDS, f"{followup.followup_id}|link|{link.sha256}|{link.url}")


def find(followup: Followup, evidence_id: str) -> EvidenceAdded | None:
    """The piece of that id."""
    return next((p for p in followup.evidence if p.evidence_id == evidence_id), None)
