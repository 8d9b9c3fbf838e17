"""How Schemathesis is set upon a running service, and what it found."""

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
"""Every check of Schemathesis that can hold here. Left out are:

- `positive_data_acceptance`: what is valid by the document may be refused as things stand (403,
  404, 409), and by rules between fields (422);
- `ignored_auth`, `object_level_authorization`: in development whoever asks is believed;
- `allow_header_conformance`: `/v1/followups/bulk` is an item's address too, so its `Allow` names
  what an item's route takes;
- `use_after_free`: nothing is deleted over HTTP.
"""

KNOWN: Final = "PEYGIR_FUZZ_KNOWN"
"""The environment variable with values that are there, by the name of a body's field (JSON)."""

REFUSALS: Final = (400, 403, 404, 405, 409, 413, 415, 422)
"""What may be answered to what is not valid by the document."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What Schemathesis is told of a service besides its OpenAPI document."""

    paths: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    """Values that are there, by the name of a path's parameter; most requests name one."""
    fields: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """The same by the name of a body's field."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """In whose role the operations of a path (a regular expression) are sent; else in every."""


def run(url: str, plan: Plan, folder: Path, examples: int) -> tuple[int, str]:
    """Try every operation of a service; return the exit status, 0 where all holds, and the report.

    Each operation gets as many random requests as `examples`, besides those of its own examples
    and of all boundaries, and each chain of operations as many.
    """
    shutil.rmtree(folder, ignore_errors=True)  # the reports of the last time
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
    hooks = {"PYTHONPATH": str(PROJECT), "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks"}
    environment = {**os.environ, **hooks, KNOWN: json.dumps(plan.fields)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _settings(plan: Plan) -> str:
    """Schemathesis's settings (TOML); JSON's texts and lists are TOML's too."""
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
