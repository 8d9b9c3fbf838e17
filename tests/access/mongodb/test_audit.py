"""The audit commands on a real MongoDB, as a person with the role `auditor`."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.layout import PROJECT
from shared.messaging.core.model import CommitContext, Effects
from shared.messaging.ledger.ledger import Ledger
from shared.runtime import mongo
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.principals import Authority
from tests.access.mongodb.secured import Installation
from tests.stores.outbox import NOW
from tests.stores.test_chain import event

pytestmark = pytest.mark.secured

_PASSWORD = "an auditor's password"
_AUTHORITY = Authority("t-1", "board", "10.0.0.7", ("coordination",))
_BY = CommitContext("request", "c.ahmadi", ("coordination",), authority=_AUTHORITY)


class Auditor:
    """A person with the role `auditor`."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.user = f"{installation.namespace}m.auditor"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        mine = {name: v for name, v in os.environ.items() if not name.startswith("PEYGIR_")}
        environment = {
            **mine,
            "COLUMNS": "200",
            "PEYGIR_ENV": "development",
            "PEYGIR_NAMESPACE": self._installation.namespace,
            "PEYGIR_MONGODB_URI": self._installation.cluster.mongodb_uri,
            "PEYGIR_MONGODB_USERNAME": self.user,
            "PEYGIR_MONGODB_PASSWORD": _PASSWORD,
        }
        return subprocess.run(
            (sys.executable, "-m", "tools.audit", *arguments),
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def auditor(installation: Installation) -> Iterator[Auditor]:
    made = Auditor(installation)
    role = f"{installation.namespace}auditor"
    with installation.as_administrator() as admin:
        admin.admin.command("createUser", made.user, pwd=_PASSWORD, roles=[role])
        yield made


async def _commit(installation: Installation, workload: str, database: str, *ids: str) -> None:
    """Commit two versions of each, as the workload."""
    login = installation.login(workload)
    client = mongo.connect(installation.uri(login), app="tests", wait_ms=10_000)
    ledger = Ledger(
        mongo.database(client, installation.namespace + database), clock=SystemMachineClock()
    )
    await ledger.prepare()
    for version in (1, 2):
        async with ledger.commit(_BY, Effects([event(id_, version) for id_ in ids])):
            pass
    client.close()


async def test_what_was_committed_is_verified_sealed_and_exported(
    installation: Installation, auditor: Auditor, tmp_path: Path
) -> None:
    await _commit(installation, "followups-civil", "followups_civil", "a", "b")
    await _commit(installation, "reports", "reports", "r")
    seal, out = tmp_path / "heads.jsonl", tmp_path / "all.csv"
    done = auditor.run("verify", "--seal", str(seal))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 events of 3 aggregates: nothing missing, nothing changed; 0 are older" in done.stdout
    assert auditor.run("verify", "--sealed", str(seal)).returncode == 0
    exported = auditor.run("export", "--aggregate", "a")
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [(line["aggregate"], line["version"]) for line in lines] == [("a", 1), ("a", 2)]
    assert {(line["token"], line["client"], line["address"]) for line in lines} == {
        ("t-1", "board", "10.0.0.7")
    }
    assert auditor.run("export", "--format", "csv", "--out", str(out)).returncode == 0
    with out.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 6
    assert auditor.run("export", "--by", "somebody").stdout == ""
    assert auditor.run("export", "--until", "2020-01-01").stdout == ""

    with installation.as_administrator() as admin:
        commits = admin[f"{installation.namespace}followups_civil"]["commits"]
        commits.update_one({"events.version": 1}, {"$set": {"by": "somebody"}})
        broken = auditor.run("verify")
        assert broken.returncode == 1
        assert "2 chains are broken" in broken.stdout
        assert "changed" in broken.stdout
        commits.update_one({"events.version": 1}, {"$set": {"by": _BY.by}})
        assert auditor.run("verify").returncode == 0
        commits.delete_one({"events.version": 2})
        assert auditor.run("verify").returncode == 0, "a chain does not know its end"
        cut = auditor.run("verify", "--sealed", str(seal))
        assert cut.returncode == 1
        assert "missing" in cut.stdout


def test_an_auditor_reads_the_trail_and_nothing_else(
    installation: Installation, auditor: Auditor
) -> None:
    with installation.as_administrator() as admin:
        admin[f"{installation.namespace}reports"]["reads"].insert_one(
            {
                "at": NOW,
                "by": "c.ahmadi",
                "roles": ["coordination"],
                "texts": True,
                "reports": ["r-1"],
                "axes": ["security"],
            }
        )
    (line,) = auditor.run("export", "--aggregate", "r-1").stdout.splitlines()
    assert json.loads(line)["what"] == "read texts"
    refused = auditor.run("verify", "--sealed", "/nowhere")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1


def test_who_is_no_auditor_is_told_which_right_is_missing(
    installation: Installation, auditor: Auditor
) -> None:
    with installation.as_administrator() as admin:
        admin.admin.command("updateUser", auditor.user, roles=[])
        refused = auditor.run("verify")
        admin.admin.command("updateUser", auditor.user, roles=[f"{installation.namespace}auditor"])
    assert refused.returncode == 1
    assert "scheduler.commits is missing" in refused.stderr
    assert "Traceback" not in refused.stderr
