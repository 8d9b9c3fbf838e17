"""What `./peygir` runs: a tool, with the addresses of this checkout's installation."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, NoReturn

from deploy.local.layout import PROJECT, BadLayout, Layout, layout_from
from deploy.local.running import running_in
from deploy.local.secured import Secured

PROGRAM: Final = "./peygir"

APPS: Final[Mapping[str, str]] = {
    "up": "deploy.local.__main__",
    "demo": "tools.demo.__main__",
    "login": "tools.login.__main__",
    "topics": "tools.topics.__main__",
    "deadletter": "tools.deadletter.commands",
    "deputy": "tools.deputy.__main__",
    "access": "tools.access.__main__",
    "audit": "tools.audit.__main__",
    "erase": "tools.erase.__main__",
    "schemas": "tools.schemas",
    "inputs": "tools.inputs",
}
"""Commands, and the modules whose `app` each of them is."""

MODULES: Final[Mapping[str, str]] = {
    "bench": "tests.bench",
    "faults": "tests.faults.replicated",
    "simulation": "tests.simulation",
}
"""Commands that are modules to run; the first argument may name one of `tests.bench`."""

_FAILED: Final = 1  # of exit codes; 2 says that the command was not understood
_OPERATING: Final = frozenset(
    {"login", "topics", "deadletter", "deputy", "access", "audit", "erase"}
)
_ELSEWHERE: Final = ("PEYGIR_KAFKA_BOOTSTRAP_SERVERS", "PEYGIR_MONGODB_URI", "PEYGIR_SECRETS_DIR")


def main(arguments: Sequence[str]) -> None:
    """Run the command. Exit code 2 if there is no such command or the layout is wrong."""
    name, *rest = arguments
    if name in MODULES:
        _become(MODULES[name], rest)
    if name not in APPS:
        _refuse(f"there is no command {name}; {PROGRAM} --help lists them")
    if name in _OPERATING:
        _operate(name, rest)
    elif name == "up":  # one of several commands of that module
        import_module(APPS[name]).app(["up", *rest], prog_name=PROGRAM)
    else:
        _call(name, rest)


def addresses(environment: Mapping[str, str], name: str = "") -> dict[str, str]:
    """The variables by which the tool `name` finds this checkout's installation.

    None if the environment names another one: then nothing of this checkout is mixed with it.
    Raises BadLayout.
    """
    elsewhere = environment.get("PEYGIR_ENV") not in (None, "", "development")
    if elsewhere or any(environment.get(name) for name in _ELSEWHERE):
        return {}
    given = {name: value for name, value in environment.items() if value}
    known = {**running_in(given), **given}
    layout = layout_from(known)
    if layout.secured:
        return {**_secured(layout, name), "PEYGIR_PORT_OFFSET": known["PEYGIR_PORT_OFFSET"]}
    return {
        "PEYGIR_ENV": "development",
        "PEYGIR_KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap,
        "PEYGIR_MONGODB_URI": layout.mongodb_uri,
        "PEYGIR_PORT_OFFSET": known.get("PEYGIR_PORT_OFFSET", "0"),
    }


def _secured(layout: Layout, name: str) -> Mapping[str, str]:
    """The variables of a tool on a secured installation, as the user that it is there."""
    secured = Secured(layout)
    if name == "login":
        return secured.provider()
    return {"PEYGIR_KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap, **secured.tool(name)}


def _operate(name: str, arguments: Sequence[str]) -> None:
    """Run a tool on an installation; if it fails, say that none runs in this checkout."""
    try:
        found = addresses(os.environ, name)
    except BadLayout as error:
        _refuse(str(error))
    os.environ.update(found)
    try:
        _call(name, arguments)
    except SystemExit as end:
        if end.code == _FAILED and found and not running_in(os.environ):
            sys.stderr.write(f"no installation runs in this checkout; `{PROGRAM} up` starts one\n")
        raise


def _call(name: str, arguments: Sequence[str]) -> None:
    import_module(APPS[name]).app(list(arguments), prog_name=f"{PROGRAM} {name}")


def _become(module: str, arguments: Sequence[str]) -> NoReturn:
    """Go on as that module, in the folder that it expects."""
    if module == MODULES["bench"] and arguments and not arguments[0].startswith("-"):
        module, arguments = f"{module}.{arguments[0]}", arguments[1:]
    os.chdir(PROJECT)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def _refuse(line: str) -> NoReturn:
    sys.stderr.write(f"peygir: {line}\n")
    raise SystemExit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
