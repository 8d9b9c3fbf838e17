"""`PEYGIR_LOCAL_NODES=3 make up`: three of each store, each a part of its own."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest

from deploy.local.layout import Layout, Ports, node_names, parts_from
from deploy.local.processes import is_alive
from shared.contracts.services import SERVICES
from tests.local import clients
from tests.local.runner import Runner, eventually, free_offset, make_folder, run_to_end

KAFKAS = node_names("kafka", 3)
MONGODS = node_names("mongod", 3)


@pytest.mark.replicated
def test_three_members_are_three_parts_and_each_comes_back_when_killed(
    local: Path, test_folder: Path
) -> None:
    folder = make_folder(test_folder / "up-three-members", local)
    with Runner(folder, free_offset(), "mongod", nodes=3) as runner:
        runner.wait_until_up()
        before = runner.pids()
        assert tuple(before) == MONGODS
        with clients.mongo(runner.layout.mongodb_uri) as client:
            client["kept"]["followups"].insert_one({"_id": "پیگیری"})

            os.kill(before["mongod-2"], signal.SIGKILL)
            runner.wait_for("mongod-2 died (SIGKILL")
            eventually(lambda: runner.output.count("mongod-2 ready") == 2, "mongod-2 again")

            assert client["kept"]["followups"].find_one() == {"_id": "پیگیری"}
        after = runner.pids()
        assert after["mongod-2"] != before["mongod-2"]
        assert after["mongod-1"] == before["mongod-1"]

        assert runner.interrupt() == 0
        assert not any(map(is_alive, after.values()))


def test_a_store_by_its_name_means_all_of_its_nodes() -> None:
    def parts(text: str) -> tuple[str, ...]:
        return parts_from({"PEYGIR_LOCAL_NODES": "3", "PEYGIR_PARTS": text})

    assert parts("mongod-2, kafka") == (*KAFKAS, "mongod-2")
    assert parts("") == (*KAFKAS, *MONGODS, "mail", *SERVICES)


def test_one_node_keeps_its_ports_and_its_data_apart_from_three(tmp_path: Path) -> None:
    one = Layout(tmp_path, tmp_path, Ports.standard(100))
    three = Layout(tmp_path, tmp_path, Ports.standard(100), nodes=3)

    assert one.bootstrap == "127.0.0.1:29192"
    assert three.bootstrap == "127.0.0.1:29192,127.0.0.1:29194,127.0.0.1:29196"
    assert three.mongodb_uri == (
        "mongodb://127.0.0.1:27217,127.0.0.1:27218,127.0.0.1:27219/?replicaSet=peygir"
    )
    folders = [one.data("kafka"), one.data("mongod"), *map(three.data, (*KAFKAS, *MONGODS))]
    assert len(set(folders)) == 8
    assert len(set(Ports.standard().every())) == len(Ports.standard().every())


@pytest.mark.soak
def test_everything_runs_on_three_nodes_and_stops_in_order(local: Path, test_folder: Path) -> None:
    folder = make_folder(test_folder / "up-three", local)
    offset = free_offset()
    every = ",".join(("kafka", "mongod", "mail", *SERVICES))
    with Runner(folder, offset, every, nodes=3) as runner:
        runner.wait_until_up(seconds=120)
        pids = runner.pids()
        assert tuple(pids) == (*KAFKAS, *MONGODS, "mail", *SERVICES)
        for service in SERVICES:
            with urllib.request.urlopen(f"{runner.layout.address(service)}/readyz") as answer:
                assert set(json.load(answer)["checks"].values()) == {"ok"}

        second = run_to_end(folder, offset, "kafka")
        assert second.returncode == 0
        for part, pid in pids.items():
            assert f"{part:<9} pid {pid}" in second.stdout

        assert runner.interrupt() == 0
        said = [line.split(" ", 1)[1] for line in runner.output.splitlines()]
        stopped = [line.removesuffix(" stopped") for line in said if line.endswith(" stopped")]
        assert set(stopped[:5]) == {"mail", *SERVICES}
        assert set(stopped[5:8]) == set(KAFKAS)
        assert set(stopped[8:]) == set(MONGODS)
        assert not any(map(is_alive, pids.values()))
