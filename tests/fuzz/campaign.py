"""Runs Schemathesis against a service, and returns its report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.local.layout import PROJECT

CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ensure_resource_availability",
)
"""Every check of Schemathesis that applies. These do not:

- `positive_data_acceptance`: a request that is valid by the document may be refused because of the
  present state (403, 404, 409) or of rules between fields (422);
- `ignored_auth`, `object_level_authorization`: in development every identity is accepted;
- `allow_header_conformance`: `/v1/followups/bulk` is also the address of an item, so its `Allow`
  names the methods of items;
- `use_after_free`: nothing is deleted over HTTP.
"""

KNOWN: Final = "PEYGIR_FUZZ_KNOWN"
"""The environment variable with existing values, by the name of a body's field (JSON)."""

REFUSALS: Final = (400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 431)
"""The statuses that may answer a request that is not valid by the document."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What Schemathesis knows about a service besides its OpenAPI document."""

    paths: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    """Existing values, by the name of a path's parameter; most requests use one."""
    fields: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Existing values, by the name of a body's field."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """The role for the operations of a path (a regular expression); all roles for the others."""


WHO: Final = "PEYGIR_FUZZ_WHO"
"""The environment variable with the kind of person in whose name all requests are sent."""


def run(
    url: str,
    plan: Plan,
    folder: Path,
    examples: int,
    headers: Mapping[str, str] | None = None,
    who: str = "",
) -> tuple[int, str]:
    """Try every operation of a service; return the exit status (0: all checks pass) and the report.

    `headers` are sent with each request. With `who`, a success without a right fails too.

    Each operation gets `examples` random requests, besides its own examples and all boundaries.
    Each chain of operations gets as many.
    """
    shutil.rmtree(folder, ignore_errors=True)  # the reports of the last run
    folder.mkdir(parents=True)
    settings = folder / "schemathesis.toml"
    settings.write_text(_settings(plan))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"),
        *(f"{url}/openapi.json", "--max-examples", str(examples)),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing,stateful"),
        *("--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"),
        *("--generation-database", "none", "--request-timeout", "60", "--no-color"),
        *("--report", "ndjson,junit", "--report-dir", str(folder)),
    ]
    for name, value in (headers or {}).items():
        command += ["--header", f"{name}: {value}"]
    hooks = {"PYTHONPATH": str(PROJECT), "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", WHO: who}
    environment = {**os.environ, **hooks, KNOWN: json.dumps(plan.fields)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _settings(plan: Plan) -> str:
    """The settings of Schemathesis in TOML; texts and lists are written as in JSON."""
    lines = ["[checks.negative_data_rejection]", f"expected-statuses = {list(REFUSALS)}"]
    lines += ["[dictionaries]"]
    lines += [f"{name} = {{ values = {json.dumps(list(v))} }}" for name, v in plan.paths.items()]
    lines += ["[parameters]"]
    lines += [
        f'"path.{name}" = {{ dictionary = "{name}", probability = 0.8 }}' for name in plan.paths
    ]
    for path, roles in plan.roles.items():
        lines += [
            "[[operations]]",
            f"include-path-regex = {json.dumps(path)}",
            f'headers = {{ "X-Peygir-User" = "c.ahmadi", "X-Peygir-Roles" = "{roles}" }}',
        ]
    return "\n".join(lines) + "\n"
