"""`python -m tools.login` as a process, at a real Keycloak."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from deploy.local.keycloak import Keycloak
from deploy.local.keycloak_admin import KeycloakAdmin
from deploy.local.layout import PROJECT
from tests.identity.browser import Browser
from tools.access import realm as realms

pytestmark = pytest.mark.identity


@pytest.fixture
def environment(keycloak: Keycloak, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PEYGIR_")}
    return {
        **kept,
        "PEYGIR_OIDC_ISSUER": keycloak.issuer,
        "PEYGIR_OIDC_CA_FILE": str(keycloak.authority),
        "XDG_CONFIG_HOME": str(tmp_path),
        "COLUMNS": "200",
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "tools.login", *arguments),
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def logging_in(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        (sys.executable, "-m", "tools.login"),
        cwd=PROJECT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def _address(shown: IO[str]) -> str:
    for line in shown:
        if match := re.search(r"https://\S+user_code=\S+", line):
            return match[0]
    raise AssertionError("no address was shown")


def test_a_person_logs_in_asks_who_they_are_and_logs_out(
    admin: KeycloakAdmin,
    trust: ssl.SSLContext,
    environment: dict[str, str],
    logging_in: subprocess.Popen[str],
) -> None:
    assert run(environment, "status").returncode == 1
    person = admin.add_person("operator.one", ["/operator"])
    assert logging_in.stderr is not None
    address = _address(logging_in.stderr)
    with Browser(person, trust) as browser:
        browser.confirm(address)
    assert logging_in.wait(60) == 0
    assert "operator.one: operator, until " in logging_in.stderr.read()

    assert run(environment, "status").stderr.startswith("operator.one: operator, until ")
    assert run(environment, "token").stdout.count(".") == 2
    assert run(environment, "logout").stderr == "logged out\n"
    assert "nobody is logged in" in run(environment, "token").stderr


def test_a_program_needs_no_login(admin: KeycloakAdmin, environment: dict[str, str]) -> None:
    as_program = {
        **environment,
        "PEYGIR_OIDC_CLIENT_ID": realms.OPERATIONS,
        "PEYGIR_OIDC_CLIENT_SECRET": admin.client_secret(realms.OPERATIONS),
    }
    done = run(as_program, "status")
    assert done.stderr.startswith("service-account-peygir-operations: operator, until ")


def test_a_provider_whose_certificate_nobody_vouches_for_is_not_trusted(
    environment: dict[str, str],
) -> None:
    done = run({**environment, "PEYGIR_OIDC_CA_FILE": ""})
    assert done.returncode == 1
    assert "PEYGIR_OIDC_CA_FILE" in done.stderr
    assert "Traceback" not in done.stderr
