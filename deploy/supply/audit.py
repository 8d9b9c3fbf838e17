"""Whether known vulnerabilities concern what the image contains, by pip-audit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Unreachable(Exception):
    """The database of vulnerabilities does not answer; the message is pip-audit's last line."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A known vulnerability of a pinned package."""

    package: str
    version: str
    id: str
    fixed_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known of the pinned packages; `unknown` names those that nothing is known of."""

    audited: int
    unknown: tuple[str, ...]
    findings: tuple[Finding, ...]


def audit(lock: Path) -> Audit:
    """Ask for the vulnerabilities of everything that a lock pins; takes up to minutes.

    Raises Unreachable.
    """
    command = [
        *(sys.executable, "-m", "pip_audit", "--requirement", str(lock)),
        *("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise Unreachable(last) from error
    return audit_of(report)


def audit_of(report: Mapping[str, Any]) -> Audit:
    """An audit from pip-audit's JSON report."""
    packages = report["dependencies"]
    unknown = tuple(package["name"] for package in packages if "skip_reason" in package)
    findings = tuple(
        Finding(package["name"], package["version"], found["id"], tuple(found["fix_versions"]))
        for package in packages
        for found in package.get("vulns", ())
    )
    return Audit(len(packages) - len(unknown), unknown, findings)
