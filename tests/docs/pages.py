"""The documents as a test reads them: their blocks, and the commands in these."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.local.layout import PROJECT

PAGES: Final[Sequence[Path]] = (
    PROJECT / "README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    PROJECT / "deploy" / "README.md",
)
ANYTHING: Final = "…"
"""In a printed output: any text, as part of a line, or any number of whole lines."""

_FENCE: Final = re.compile(r"^```(\w*)$")
_HEADING: Final = re.compile(r"^#+ (.+)$")
_RULES: Final = re.compile(r"[━─═]+")
_BARE: Final = re.compile(r'(?<!")…(?!")')


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a console, and the output that the document shows for it."""

    text: str
    printed: str


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. Its name has its page, its heading, and its number under that heading."""

    page: str
    heading: str
    number: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}: {self.heading} {self.number}"

    @property
    def is_console(self) -> bool:
        return not self.language and self.text.startswith("$ ")

    @property
    def is_request(self) -> bool:
        """Whether it is a request as HTTP writes it: a method and an address, then headers."""
        return not self.language and re.match(r"(GET|POST) /", self.text) is not None

    def commands(self) -> list[Command]:
        """The commands of a console, each with what it prints."""
        found = []
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            end = next(n for n, line in enumerate(lines) if not line.endswith("\\"))
            command = "\n".join(lines[: end + 1])
            found.append(Command(command, "\n".join(lines[end + 1 :]).strip("\n")))
        return found


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order; drawings in Mermaid are no examples."""
    return [block for block in _blocks(page) if block.language != "mermaid"]


def _blocks(page: Path) -> Iterator[Block]:
    name, heading, number = str(page.relative_to(PROJECT)), "", 0
    language: str | None = None
    lines: list[str] = []
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = _FENCE.match(line)
        if language is None and (title := _HEADING.match(line)):
            heading, number = title[1], 0
        elif language is None and fence:
            language, lines, number = fence[1], [], number + 1
        elif language is not None and fence:
            yield Block(name, heading, number, language, "\n".join(lines) + "\n")
            language = None
        elif language is not None:
            lines.append(line)


def same(printed: str, found: str) -> bool:
    """Whether an output matches the printed one: JSON in any order, text except for its blanks."""
    wanted = _json(_BARE.sub(_anything, printed))
    answered = _json(found)
    if wanted is not None and answered is not None:
        return _fits(wanted, answered)
    lines = [_pattern(line) for line in _plain(printed).splitlines()]
    return re.fullmatch("".join(lines), _plain(found)) is not None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _anything(place: re.Match[str]) -> str:
    """A bare `…` as JSON: further fields where fields stand, else an item or a value."""
    before = place.string[: place.start()].rstrip()
    ends_an_object = place.string[place.end() :].lstrip().startswith("}")
    is_field = ends_an_object and not before.endswith(":")
    return f'"{ANYTHING}": 0' if is_field else f'"{ANYTHING}"'


def _fits(wanted: Any, found: Any) -> bool:
    if wanted == ANYTHING:
        return True
    if isinstance(wanted, dict) and isinstance(found, dict):
        known = wanted.keys() - {ANYTHING}
        more = found.keys() - known
        fields = known <= found.keys() and (ANYTHING in wanted or not more)
        return fields and all(_fits(wanted[name], found[name]) for name in known)
    if isinstance(wanted, list) and isinstance(found, list):
        rest = list(found)
        for item in wanted:
            if item == ANYTHING:
                continue
            match = next((other for other in rest if _fits(item, other)), None)
            if match is None:
                return False
            rest.remove(match)
        return not rest or ANYTHING in wanted
    return bool(wanted == found and type(wanted) is type(found))


def _plain(text: str) -> str:
    """Without empty lines, with one blank for several, and rules of any length alike."""
    lines = (" ".join(_RULES.sub("─", line).split()) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def _pattern(line: str) -> str:
    if line == ANYTHING:
        return r"(?:.*\n)*?"
    return ".*".join(map(re.escape, line.split(ANYTHING))) + "\n"
