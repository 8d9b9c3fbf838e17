"""What the documents name in the middle of a sentence is there: commands, addresses, targets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main

from deploy.local.command import APPS, MODULES
from deploy.local.layout import PROJECT
from shared.contracts.services import SERVICES
from shared.runtime.settings import CommonSettings, load
from tests.docs.pages import PAGES, Block, Command, blocks, same

_FENCED: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_ADDRESS: Final = re.compile(r"(?:(GET|POST) )?(/v1/[^\s?`]+)")
_TARGET: Final = re.compile(r"\bmake ([a-z]+)")


def _named(page: Path) -> list[str]:
    """The code that a page has outside its blocks."""
    return _CODE.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))


def _tools() -> Iterator[tuple[Path, list[str]]]:
    """Each call of `./peygir`, in sentences and blocks, as its words."""
    for page in PAGES:
        consoles = [c.text for b in blocks(page) if b.is_console for c in b.commands()]
        for text in (*_named(page), *consoles):
            if text.startswith("./peygir "):
                yield page, shlex.split(text.replace("\\\n", ""))[1:]


@cache
def _routes() -> frozenset[tuple[str, str]]:
    """Every operation of every service, with `{}` for what stands for an id."""
    found = set()
    for service in SERVICES:
        settings = import_module(f"services.{service}.settings")
        (kind,) = [
            each
            for each in vars(settings).values()
            if isinstance(each, type)
            and issubclass(each, CommonSettings)
            and each != CommonSettings
        ]
        _, app = import_module(f"services.{service}.app").build(load(kind))
        for path, operations in app.openapi()["paths"].items():
            found |= {(method.upper(), re.sub(r"\{\w+\}", "{}", path)) for method in operations}
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_an_address_that_a_page_names_is_one_of_a_service(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEYGIR_ENV", "development")
    for text in _named(page):
        if match := _ADDRESS.fullmatch(text.partition("?")[0]):
            method, path = match[1] or "GET", re.sub(r"\{\w+\}", "{}", match[2])
            assert (method, path) in _routes(), text


def test_a_target_that_a_page_names_is_in_the_makefile() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        for text in _named(page):
            assert set(_TARGET.findall(text)) <= targets, (page, text)


def test_a_call_of_a_tool_has_commands_and_options_that_it_takes() -> None:
    for page, (first, *words) in _tools():
        if first in MODULES or first.startswith("-"):
            continue
        assert first in APPS, (page, first)
        command: Any = typer.main.get_command(import_module(APPS[first]).app)
        if words and words[0] in getattr(command, "commands", ()):
            command = command.commands[words[0]]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, (page, first, words)


def test_a_link_within_the_documents_leads_to_a_page_and_a_heading() -> None:
    for page in PAGES:
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            if "://" in target:
                continue
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), (page, target)
            if anchor:
                assert anchor in _anchors(there), (page, target)


def _anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_console_is_read_as_commands_with_what_they_print() -> None:
    block = Block("p", "h", 1, "", "$ one \\\n    --more\nsaid\n\nmore\n$ two\n")
    assert block.commands() == [
        Command("one \\\n    --more", "said\n\nmore"),
        Command("two", ""),
    ]


@pytest.mark.parametrize(
    ("printed", "found", "is_same"),
    [
        ("a  b", "a b\n", True),
        ("a b", "a c", False),
        ("┏━━━┓", "┏━━━━━━┓", True),
        ("at …, key 1", "at 2026-11-24T23:21:25Z, key 1", True),
        ("at …, key 1", "at 2026-11-24T23:21:25Z, key 2", False),
        ("…\nend", "one\ntwo\nend", True),
        ("one", "one\ntwo", False),
        ("one\n\ntwo", "one\ntwo", True),
        ('{"a": 1, "b": [1, 2]}', '{"b": [2, 1], "a": 1}', True),
        ('{"a": 1}', '{"a": 1, "b": 2}', False),
        ('{"a": 1, …}', '{"a": 1, "b": 2}', True),
        ('{"a": "…", "b": …}', '{"a": 1, "b": null}', True),
        ('{"a": [{"b": 1, …}, …]}', '{"a": [{"b": 2}, {"b": 1, "c": 3}]}', True),
        ('{"a": [{"b": 1}]}', '{"a": [{"b": 1}, {"b": 2}]}', False),
        ('{"a": false}', '{"a": 0}', False),
    ],
)
def test_what_is_printed_is_compared_as_people_would(
    printed: str, found: str, is_same: bool
) -> None:
    assert same(printed, found) is is_same
