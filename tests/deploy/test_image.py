"""The image can't be built in a test; what it is made of can be looked at."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest
from packaging.utils import canonicalize_name

from shared.runtime.version import VERSION
from tests.deploy.lock import pinned
from tests.deploy.manifests import BASE, DEPLOY, containers, render

_ROOT: Final = DEPLOY.parent
_OURS: Final = ("services", "shared", "tools")
_KEYWORDS: Final = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "LABEL", "RUN", "USER", "WORKDIR",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its keyword and the rest, continued lines joined."""

    keyword: str
    rest: str

    @property
    def words(self) -> list[str]:
        """Its exec form's words. Raises ValueError where it is a shell's."""
        words: list[str] = json.loads(self.rest)
        return words


def _instructions() -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", (_ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in lines if line.strip()]


def _of(keyword: str) -> list[Instruction]:
    return [found for found in _instructions() if found.keyword == keyword]


def _last_stage() -> list[Instruction]:
    instructions = _instructions()
    starts = [n for n, found in enumerate(instructions) if found.keyword == "FROM"]
    return instructions[starts[-1] :]


def _copied() -> list[str]:
    """What comes from the checkout."""
    copies = [found.rest.split() for found in _of("COPY")]
    return [source for words in copies if "--from=build" not in words for source in words[:-1]]


def _left_out() -> list[str]:
    """The rules of .dockerignore that take something out of what it lets in."""
    rules = (_ROOT / ".dockerignore").read_text().splitlines()
    return [rule for rule in rules[rules.index("*") + 1 :] if rule[:1] not in ("", "!", "#")]


def _imports(package: str) -> Iterator[tuple[Path, str]]:
    """Each module that a Python file of the image imports, by its first name."""
    for path in (_ROOT / package).rglob("*.py"):
        if any(path.is_relative_to(_ROOT / left) for left in _left_out()):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            yield from ((path, name.partition(".")[0]) for name in names)


def test_it_has_known_instructions_alone() -> None:
    assert {found.keyword for found in _instructions()} == _KEYWORDS


def test_its_bases_are_of_one_known_version() -> None:
    assert {found.rest.split()[0] for found in _of("FROM")} == {"python:3.11-slim"}


def test_nothing_is_left_to_a_shell() -> None:
    for found in [*_of("RUN"), *_of("ENTRYPOINT"), *_of("CMD")]:
        assert found.words, found


def test_whatever_it_copies_is_there_and_not_ignored() -> None:
    ignore = (_ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignore if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert _copied() == ["requirements.txt", *_OURS]
    for source in _copied():
        assert (_ROOT / source).exists()
        assert f"!{source}" in rules
        assert source not in _left_out()


def test_it_runs_as_a_numbered_user_who_is_not_root() -> None:
    (user,) = [found.rest for found in _last_stage() if found.keyword == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_it_installs_what_is_locked_by_hash() -> None:
    (install,) = [found.words for found in _of("RUN") if "install" in found.words]
    assert "--require-hashes" in install
    assert install[-2:] == ["--requirement", "/build/requirements.txt"]


def test_it_starts_a_module_that_the_manifests_name() -> None:
    (entry,) = _of("ENTRYPOINT")
    assert entry.words == ["python", "-m"]
    (command,) = _of("CMD")
    named = {each["args"][0] for w in render(BASE).workloads() for each in containers(w)}
    assert command.words[0] in named
    assert {name.partition(".")[0] for name in named} <= set(_OURS)


def test_it_says_which_version_it_is() -> None:
    assert f"VERSION={VERSION}" in [found.rest for found in _of("ARG")]
    (labels,) = _of("LABEL")
    for name in ("title", "description", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels.rest


@pytest.mark.parametrize("package", _OURS)
def test_it_has_whatever_is_imported(package: str) -> None:
    locked = pinned("requirements.txt").keys()
    distributions = packages_distributions()
    for path, name in _imports(package):
        if name in sys.stdlib_module_names or name in _OURS:
            continue
        from_where = {canonicalize_name(dist) for dist in distributions.get(name, ())}
        assert from_where & locked, f"{path} imports {name}, which requirements.txt has not"
