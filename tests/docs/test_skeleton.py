"""Every service has the same files at the same depth, and no module or function grows too long.

`services/README.md` describes the skeleton for people.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.local.layout import PROJECT
from shared.service.host import Host

SERVICES: Final = sorted(path.parent for path in (PROJECT / "services").glob("*/app.py"))
SOURCES: Final = ("shared", "services", "tools", "deploy")

ALWAYS: Final = frozenset(
    {
        "__init__.py",
        "__main__.py",
        "adapters/__init__.py",
        "adapters/persian.py",
        "api/__init__.py",
        "api/context.py",
        "api/schemas.py",
        "app.py",
        "domain/__init__.py",
        "domain/visibility.py",
        "handlers/__init__.py",
        "handlers/ports.py",
        "settings.py",
        "store.py",
    }
)
"""Files of every service."""

PUBLISHES: Final = frozenset({"events.py", "handlers/recovery.py"})
READS_TOPICS: Final = frozenset({"handlers/events.py", "subscribers.py"})
TAKES_COMMANDS: Final = frozenset({"handlers/commands.py"})
SWEEPS: Final = frozenset({"handlers/sweep.py"})
WORKS_BY_THE_CLOCK: Final = frozenset({"jobs.py"})
OPTIONAL: Final = PUBLISHES | READS_TOPICS | TAKES_COMMANDS | SWEEPS | WORKS_BY_THE_CLOCK

PACKAGES: Final = ("handlers/commands", "store")
"""What may outgrow one file: a package of that name then takes the file's place."""

OPEN: Final = frozenset({"adapters", "api", "domain", "handlers"})
"""Packages in which a service keeps further modules, each named for what it holds."""

MODULE_LINES: Final = 350
FUNCTION_LINES: Final = 50
REASON: Final = "# long:"
"""A comment that begins so, right above a function, says why it is better long."""

services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def files_of(service: Path) -> frozenset[str]:
    """The modules of a service, relative to it; the package `store/` counts as `store.py`."""
    found = {path.relative_to(service).as_posix() for path in service.rglob("*.py")}
    for package in PACKAGES:
        if f"{package}/__init__.py" in found:
            found = {name for name in found if not name.startswith(f"{package}/")}
            found.add(f"{package}.py")
    return frozenset(found)


def calls(path: Path) -> frozenset[str]:
    """The names of the methods that a module calls, on whatever object."""
    return frozenset(
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    )


def methods_routed(path: Path) -> frozenset[str]:
    """The HTTP methods for which a module declares routes: `@router.post("/comments")`."""
    return frozenset(
        decorator.func.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)
        if decorator.func.attr in {"get", "post", "put", "patch", "delete"}
    )


def expected_of(service: Path) -> frozenset[str]:
    """The files that a service has to have, by what its `app.py` and its routes do."""
    wired = calls(service / "app.py")
    routed = [methods_routed(path) for path in service.glob("api/*.py")]
    files_by_need = (
        (PUBLISHES, "recover_from" in wired),
        (READS_TOPICS, "consume" in wired),
        (TAKES_COMMANDS, any(methods - {"get"} for methods in routed)),
        (SWEEPS, "sweep" in wired),
        (WORKS_BY_THE_CLOCK, bool(wired & {"run_leased", "run_periodically"})),
    )
    return ALWAYS.union(*(files for files, needed in files_by_need if needed))


def test_the_host_has_the_methods_that_call_for_files() -> None:
    methods = {"recover_from", "consume", "sweep", "run_leased", "run_periodically"}
    assert methods <= vars(Host).keys()


@services
def test_a_service_has_the_files_of_the_skeleton(service: Path) -> None:
    assert expected_of(service) - files_of(service) == frozenset()


@services
def test_a_service_has_no_file_without_a_purpose(service: Path) -> None:
    """No subscribers without topics, no sweep without something due; new files go into packages."""
    found = files_of(service)
    beside = {name for name in found if name.partition("/")[0] not in OPEN}
    assert (beside | (found & OPTIONAL)) - expected_of(service) == set()


@services
def test_a_service_keeps_its_packages_flat(service: Path) -> None:
    assert {name for name in files_of(service) if name.count("/") > 1} == set()


@services
def test_a_service_has_a_module_for_each_resource(service: Path) -> None:
    """Routes stand in modules of their own, not among what all of them share."""
    common = {"api/__init__.py", "api/context.py", "api/schemas.py"}
    found = {name for name in files_of(service) if name.startswith("api/")}

    assert {name for name in found - common if methods_routed(service / name)} != set()
    assert {name for name in found & common if methods_routed(service / name)} == set()


def modules() -> Iterator[Path]:
    for folder in SOURCES:
        yield from sorted((PROJECT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def long_functions(text: str) -> Iterator[tuple[str, int]]:
    """The functions that are too long and do not say why, each with its number of lines."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length >= FUNCTION_LINES and not says_why(lines, node):
                yield node.name, length


def says_why(lines: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the comment right above a function, or above its decorators, gives the reason."""
    number = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    while number and lines[number - 1].lstrip().startswith("#"):
        number -= 1
        if lines[number].lstrip().startswith(REASON):
            return True
    return False


def test_no_module_is_long() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in modules()}
    assert {name: lines for name, lines in lengths.items() if lines >= MODULE_LINES} == {}


def test_a_long_function_says_why() -> None:
    found = {
        f"{name_of(path)}: {name}": lines
        for path in modules()
        for name, lines in long_functions(path.read_text("utf-8"))
    }
    assert found == {}


def test_a_reason_counts_above_the_function_alone() -> None:
    body = "\n".join(["    pass"] * FUNCTION_LINES)
    reason = f"{REASON} each line is a row of one table"

    assert list(long_functions(f"def f() -> None:\n{body}")) == [("f", FUNCTION_LINES + 1)]
    assert list(long_functions(f"# another comment\ndef f() -> None:\n{body}"))
    assert list(long_functions(f"{reason}\n\ndef f() -> None:\n{body}"))
    assert not list(long_functions(f"{reason}\ndef f() -> None:\n{body}"))
    assert not list(long_functions(f"{reason}\n# and more\n@cache\ndef f() -> None:\n{body}"))
