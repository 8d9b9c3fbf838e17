"""Each page names only files, headings, commands, settings and names that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from deploy.local.layout import PROJECT

_HISTORY: Final = frozenset({"CHANGELOG.md"})  # it names what was there at its time
_FOLDERS: Final = "shared|services|tools|deploy|docs|tests"
_LINK: Final = re.compile(r"\]\(([^)\s:]+)\)")  # a colon belongs to an address elsewhere
_PATH: Final = re.compile(rf"`((?:{_FOLDERS})/[^`\s]*)`")
_MODULE: Final = re.compile(rf"\bpython -m ((?:{_FOLDERS})(?:\.\w+)+)")
_TARGET: Final = re.compile(r"`make ([a-z-]+)`")
_SETTING: Final = re.compile(r"\bPEYGIR_([A-Z_]+[A-Z])\b(?!_)")  # not `PEYGIR_SMTP_*`
_NAME: Final = re.compile(r"`(?:host\.)?(\w*(?:[a-z][A-Z]|_)\w*)(?=[`(:])")
_OF_THE_CODE: Final = ("CONTRIBUTING.md", "services/README.md", "docs/architecture.md")
_PLACEHOLDER: Final = re.compile(r"<[^>/]*>|‹[^›/]*›")


def pages() -> list[Path]:
    folders = (PROJECT / name for name in _FOLDERS.split("|"))
    found = {*PROJECT.glob("*.md")}.union(*(folder.rglob("*.md") for folder in folders))
    return sorted(path for path in found if path.name not in _HISTORY)


each_page = pytest.mark.parametrize(
    "page", pages(), ids=lambda page: page.relative_to(PROJECT).as_posix()
)


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def exists(name: str) -> bool:
    """Whether a path exists; `<anything>` stands for any name, and some file has to have it."""
    return next(PROJECT.glob(_PLACEHOLDER.sub("*", name).rstrip("/")), None) is not None


def is_module(name: str) -> bool:
    path = PROJECT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


@cache
def words() -> frozenset[str]:
    """Every name in the project's own code."""
    sources = [path for name in _FOLDERS.split("|") for path in (PROJECT / name).rglob("*.py")]
    texts = (path.read_text(encoding="utf-8") for path in (*sources, PROJECT / "Makefile"))
    return frozenset(word for text in texts for word in re.findall(r"\w+", text))


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@each_page
def test_paths_exist(page: Path) -> None:
    names = _PATH.findall(page.read_text(encoding="utf-8"))
    assert [name for name in names if not exists(name)] == []


@each_page
def test_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rules = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)

    assert [name for name in _MODULE.findall(text) if not is_module(name)] == []
    assert set(_TARGET.findall(text)) - set(rules) == set()


@each_page
def test_settings_exist(page: Path) -> None:
    named = set(_SETTING.findall(page.read_text(encoding="utf-8")))
    assert {name for name in named if not {name.lower(), f"PEYGIR_{name}"} & words()} == set()


@pytest.mark.parametrize("page", _OF_THE_CODE)
def test_names_of_the_code_exist(page: str) -> None:
    named = set(_NAME.findall((PROJECT / page).read_text(encoding="utf-8")))
    assert {name for name in named if not name.startswith("PEYGIR_")} - words() == set()
