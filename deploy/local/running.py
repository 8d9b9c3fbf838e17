"""Which installation runs here: the runner writes it down for the tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from deploy.local.layout import Layout, local_dir
from deploy.local.processes import is_alive, read_pid
from shared.contracts.services import HTTP_PORTS, SERVICES

_NAME = "up.json"


def write_down(layout: Layout) -> None:
    """Say which variables describe the installation that this process runs."""
    variables = {
        "PEYGIR_LOCAL_NODES": str(layout.nodes),
        "PEYGIR_SECURE": str(int(layout.secured)),
        "PEYGIR_PORT_OFFSET": str(layout.ports.of(SERVICES[0]) - HTTP_PORTS[SERVICES[0]]),
    }
    draft = layout.run_dir / f"{_NAME}.new"  # no reader sees half of it
    draft.write_text(json.dumps(variables), encoding="ascii")
    draft.replace(layout.run_dir / _NAME)


def forget(layout: Layout) -> None:
    """Say that it runs no longer."""
    (layout.run_dir / _NAME).unlink(missing_ok=True)


def running_in(environment: Mapping[str, str]) -> dict[str, str]:
    """What the runner of this checkout wrote down; nothing if none runs."""
    run_dir = local_dir(environment) / "run"
    pid = read_pid(run_dir / "up.lock")
    if pid is None or not is_alive(pid):
        return {}
    return _read(run_dir / _NAME)


def _read(file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(file.read_text(encoding="ascii")))
    except FileNotFoundError:  # it is starting or stopping
        return {}
