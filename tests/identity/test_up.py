"""`PEYGIR_SECURE=1 make up`: production on one machine, as people and their tools meet it."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx
import pytest

from deploy.local.keycloak_admin import Person
from deploy.local.layout import PROJECT
from deploy.local.secured import Secured
from tests.identity.logins import KeptTokens
from tests.local.runner import Runner, free_offset, make_folder

pytestmark = [pytest.mark.identity, pytest.mark.timeout(900)]

_UP_SECONDS: Final = 600.0  # the first start of Keycloak makes its database


def peygir(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """The exit code of a tool on the installation that runs, and all that it printed."""
    done = subprocess.run(
        ("./peygir", *arguments),
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_production_runs_on_one_machine(
    local: Path, test_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEYGIR_SECURE", "1")
    folder, offset = make_folder(test_folder / "secured-up", local), free_offset()
    parts = "kafka,mongod,keycloak,mail,scheduler,reports,followups,notify"
    with Runner(folder, offset, parts) as runner:
        runner.wait_until_up(_UP_SECONDS)
        assert "PRODUCTION ON ONE MACHINE" in runner.output
        secured = Secured(runner.layout)
        with httpx.Client(verify=secured.trust(), timeout=60) as http:
            _people_get_in(runner, secured, http)
        _tools_work({"PEYGIR_LOCAL_DIR": str(folder), "PEYGIR_PORT_OFFSET": str(offset)}, secured)
        _nothing_is_open(runner, secured.trust())
        assert runner.interrupt() == 0


def _people_get_in(runner: Runner, secured: Secured, http: httpx.Client) -> None:
    tokens = KeptTokens(secured.keycloak, http)
    for name in ("c.ahmadi", "d.karimi"):
        tokens.add(Person(name, (secured.people / name).read_text(encoding="utf-8")))
    for service, path in (("followups", "followups"), ("scheduler", "seasons")):
        address = f"{runner.layout.address(service)}/v1/{path}"
        assert http.get(address).status_code == 401
        for name in ("c.ahmadi", "d.karimi"):
            answer = http.get(address, headers={"Authorization": f"Bearer {tokens.of(name)}"})
            assert answer.status_code == 200, answer.text
    season = {"season": "1410", "starts_on": "2031-08-11"}
    address = f"{runner.layout.address('scheduler')}/v1/seasons"
    for name, status in (("d.karimi", 403), ("c.ahmadi", 201)):
        signed = {"Authorization": f"Bearer {tokens.of(name)}"}
        answer = http.post(address, json=season, headers=signed)
        assert answer.status_code == status, answer.text


def _tools_work(here: Mapping[str, str], secured: Secured) -> None:
    code, said = peygir(here, "deadletter", "list", "--json")
    assert (code, json.loads(said)["letters"]) == (0, []), said
    code, said = peygir(here, "audit", "verify")
    assert code == 0, said
    assert "PEYGIR_" not in said
    assert (secured.people / "o.rezaei").stat().st_mode & 0o077 == 0


def _nothing_is_open(runner: Runner, trust: ssl.SSLContext) -> None:
    plain = runner.layout.address("followups").replace("https://", "http://")
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{plain}/v1/followups")
    with pytest.raises(httpx.ConnectError):  # nobody vouches for it but the installation's own
        httpx.get(f"{runner.layout.address('followups')}/readyz")
    ready = httpx.get(f"{runner.layout.address('followups')}/readyz", verify=trust).json()
    assert ready["status"] == "ok"
    assert set(ready["checks"]) == {"kafka", "mongodb", "rights", "recovery", "identity"}
