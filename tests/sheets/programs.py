"""Other programs, which open a sheet, fill it in and save it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pytest

_HERE: Final = Path(__file__).parent
_SHEETJS: Final = "0.18.5"
_MODULE: Final = _HERE / "excelize_module"
_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Written:
    """What somebody writes into a cell; a share is a number shown as a percentage."""

    place: str
    kind: Literal["text", "number", "share"]
    value: str | float


class SheetJs:
    """SheetJS, on Node."""

    def __init__(self, folder: Path) -> None:
        """Install it into the folder if it is not there yet; fail the test without npm."""
        if shutil.which("node") is None or shutil.which("npm") is None:
            pytest.fail(
                "missing: nodejs, npm. Install with: apt-get install -y nodejs npm", pytrace=False
            )
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "node_modules" / "xlsx" / "package.json").exists():
                install = ("install", "--no-package-lock", "--no-save", "--no-audit", "--no-fund")
                _run("npm", *install, "--prefix", str(folder), f"xlsx@{_SHEETJS}")

    def save(
        self, opened: Path, saved: Path, cells: Sequence[Written], *, is_shared: bool = True
    ) -> None:
        """Save in the format of the name's suffix, with texts shared or in their cells."""
        job = {
            "client": str(self._folder),
            "in": str(opened),
            "out": str(saved),
            "type": _BOOK_TYPES[saved.suffix],
            "shared": is_shared,
            "cells": _as_json(cells),
        }
        _run("node", str(_HERE / "sheetjs.mjs"), json.dumps(job))


_BOOK_TYPES: Final[Mapping[str, str]] = {
    ".xlsx": "xlsx",
    ".xlsm": "xlsm",
    ".xlsb": "xlsb",
    ".xls": "biff8",
    ".xml": "xlml",
    ".ods": "ods",
    ".fods": "fods",
    ".csv": "csv",
    ".txt": "txt",
    ".html": "html",
}


class Excelize:
    """excelize, built with Go."""

    def __init__(self, cache: Path) -> None:
        """Build it once; skip the test without Go."""
        pinned = re.search(r"excelize/v2 v(\S+)", (_MODULE / "go.mod").read_text(encoding="utf-8"))
        assert pinned is not None
        self._binary = cache / f"excelize-{pinned[1]}" / "excelize"
        self._binary.parent.mkdir(parents=True, exist_ok=True)
        with self._binary.with_suffix(".lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._binary.exists():
                self._build()

    def _build(self) -> None:
        if shutil.which("go") is None:
            pytest.skip("excelize is built with Go, which is not installed here")
        draft = self._binary.with_suffix(".new")
        settings = {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
        done = subprocess.run(
            ("go", "build", "-o", str(draft), "."),
            cwd=_MODULE,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"excelize cannot be built here: {done.stderr.strip()[-200:]}")
        draft.replace(self._binary)

    def save(
        self, opened: Path, saved: Path, cells: Sequence[Written], *, password: str = ""
    ) -> None:
        """Save it, with a password if there is one."""
        job = {"In": str(opened), "Out": str(saved), "Password": password, "Cells": _as_json(cells)}
        _run(str(self._binary), json.dumps(job))


class LibreOffice:
    """LibreOffice, which opens a file and saves it in another format."""

    def __init__(self, folder: Path) -> None:
        """`folder` is for its profile and its files. Skip the test if it is not installed."""
        program = shutil.which("soffice")
        if program is None:
            pytest.skip("LibreOffice is not installed here (apt-get install -y libreoffice-calc)")
        self._program = program
        self._profile, self._made = folder / "profile", folder / "made"

    def save(self, opened: Path, saved: Path, filter_: str) -> None:
        """Save it with one of its export filters."""
        kind = saved.suffix.removeprefix(".")
        _run(
            self._program,
            f"-env:UserInstallation={self._profile.resolve().as_uri()}",
            *("--headless", "--norestore", "--convert-to", f"{kind}:{filter_}"),
            *("--outdir", str(self._made), str(opened)),
        )
        (self._made / f"{opened.stem}.{kind}").replace(saved)


def _as_json(cells: Sequence[Written]) -> list[dict[str, object]]:
    return [{"place": c.place, "kind": c.kind, "value": c.value} for c in cells]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
