"""`./peygir`: the one command for every tool."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from deploy.local.command import APPS, MODULES, addresses
from deploy.local.layout import PROJECT
from tests.local.runner import free_offset, make_folder

_PEYGIR: Final = str(PROJECT / "peygir")
_GROUP: Final = re.compile(r"^[A-Z].*\n((?:  \S.*\n)+)", re.MULTILINE)


def run(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: Path = PROJECT,
    program: str = _PEYGIR,
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PEYGIR_")}
    kept |= {name: os.environ[name] for name in ("PEYGIR_LOCAL_DIR",) if name in os.environ}
    return subprocess.run(
        (program, *arguments),
        cwd=folder,
        env={**kept, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_its_help_names_every_command_in_groups_and_no_other() -> None:
    done = run("--help")

    groups = _GROUP.findall(done.stdout)
    named = [line.split()[0] for group in groups for line in group.splitlines()]
    assert len(groups) > 3
    assert sorted(named) == sorted([*APPS, *MODULES])
    assert run().stdout == done.stdout


def test_every_command_is_there() -> None:
    for module in APPS.values():
        assert import_module(module).app
    for module in MODULES.values():
        assert find_spec(f"{module}.__main__")


def test_help_needs_no_set_up_and_everything_else_says_how_it_is_done(tmp_path: Path) -> None:
    nowhere = {"PEYGIR_LOCAL_DIR": str(tmp_path / "nothing")}
    assert run("--help", environment=nowhere).returncode == 0

    done = run("deadletter", "list", environment=nowhere)
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert "`make setup`" in line


def test_a_command_that_is_not_there_is_refused_in_one_line() -> None:
    done = run("deadletters", "list")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "deadletters" in line
    assert "--help" in line


def test_it_is_called_from_any_folder_and_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()  # a module of that name is not taken for ours
    (tmp_path / "peygir").symlink_to(_PEYGIR)
    done = run("topics", "list", folder=tmp_path, program="./peygir")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("peygir.sessions.v1 ")


def test_a_tool_calls_itself_as_people_call_it() -> None:
    assert "Usage: ./peygir deadletter show [OPTIONS]" in run("deadletter", "show").stderr


def test_a_tool_that_finds_nobody_says_how_an_installation_is_started(
    local: Path, test_folder: Path
) -> None:
    folder = make_folder(test_folder / "nobody", local)
    where = {"PEYGIR_LOCAL_DIR": str(folder), "PEYGIR_PORT_OFFSET": str(free_offset())}
    done = run("topics", "--timeout", "1", environment=where)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("`./peygir up` starts one")


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"PEYGIR_KAFKA_BOOTSTRAP_SERVERS": "kafka.example.org:9092"},
        {"PEYGIR_MONGODB_URI": "mongodb://db.example.org/?replicaSet=rs"},
        {"PEYGIR_SECRETS_DIR": "/run/secrets"},
        {"PEYGIR_ENV": "production"},
    ],
)
def test_nothing_of_this_checkout_is_mixed_with_another_installation(
    elsewhere: dict[str, str],
) -> None:
    assert addresses(elsewhere) == {}


def test_the_variables_of_the_layout_say_where_an_installation_is(tmp_path: Path) -> None:
    described = {
        "PEYGIR_LOCAL_DIR": str(tmp_path),
        "PEYGIR_PORT_OFFSET": "100",
        "PEYGIR_LOCAL_NODES": "3",
        "PEYGIR_ENV": "",
    }
    assert addresses(described) == {
        "PEYGIR_ENV": "development",
        "PEYGIR_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:29192,127.0.0.1:29194,127.0.0.1:29196",
        "PEYGIR_MONGODB_URI": (
            "mongodb://127.0.0.1:27217,127.0.0.1:27218,127.0.0.1:27219/?replicaSet=peygir"
        ),
        "PEYGIR_PORT_OFFSET": "100",
    }
