"""`make up` as people meet it: what it says, what it restarts, what it leaves behind."""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from deploy.local.command import addresses
from deploy.local.layout import PROJECT
from deploy.local.processes import is_alive
from tests.local import clients
from tests.local.runner import Runner, eventually, free_offset, make_folder, run_to_end


@pytest.fixture
def folder(local: Path, test_folder: Path, request: pytest.FixtureRequest) -> Path:
    return make_folder(test_folder / f"up-{abs(hash(request.node.name)) % 10**8}", local)


def test_a_part_that_is_killed_comes_back_and_is_announced(folder: Path) -> None:
    with Runner(folder, free_offset(), "mongod,mail") as runner:
        runner.wait_until_up()
        before = runner.pids()

        os.kill(before["mongod"], signal.SIGKILL)
        runner.wait_for(f"mongod died (SIGKILL, pid {before['mongod']}); started again at once")
        eventually(lambda: runner.output.count("mongod ready") == 2, "mongod ready again")

        after = runner.pids()
        assert after["mongod"] != before["mongod"]
        assert after["mail"] == before["mail"]
        with clients.mongo(runner.layout.mongodb_uri) as client:
            assert client.admin.command("ping")["ok"] == 1


def test_data_survive_and_ctrl_c_stops_in_order(folder: Path) -> None:
    offset = free_offset()
    with Runner(folder, offset, "kafka,mongod,mail") as runner:
        runner.wait_until_up()
        clients.create_topic(runner.layout.bootstrap, "kept")
        assert clients.send(runner.layout.bootstrap, "kept", "مصوبه")
        with clients.mongo(runner.layout.mongodb_uri) as client:
            client["kept"]["followups"].insert_one({"_id": "پیگیری"})
        pids = runner.pids()
        assert set(pids) == {"kafka", "mongod", "mail"}

        assert runner.interrupt() == 0

        assert not any(map(is_alive, pids.values()))
        assert runner.pids() == {}
        said = [line.split(" ", 1)[1] for line in runner.output.splitlines()]
        assert said[-4:] == ["stopping", "mail stopped", "kafka stopped", "mongod stopped"]

    with Runner(folder, offset, "kafka,mongod") as runner:
        runner.wait_until_up()
        assert clients.read_all(runner.layout.bootstrap, "kept") == ["مصوبه"]
        with clients.mongo(runner.layout.mongodb_uri) as client:
            assert client["kept"]["followups"].find_one() == {"_id": "پیگیری"}


def test_parts_die_with_a_runner_that_is_killed_and_the_next_one_starts(folder: Path) -> None:
    offset = free_offset()
    with Runner(folder, offset, "mongod,mail") as runner:
        runner.wait_until_up()
        pids = runner.pids()
        os.kill(runner.pid, signal.SIGKILL)
        eventually(lambda: not any(map(is_alive, pids.values())), "the end of its parts")

    with Runner(folder, offset, "mongod,mail") as runner:
        runner.wait_until_up()
        assert runner.interrupt() == 0


def test_killing_make_ends_what_it_started(folder: Path) -> None:
    with Runner(folder, free_offset(), "mail", command=("make", "up")) as make:
        make.wait_until_up()
        pids = make.pids()
        assert pids
        os.kill(make.pid, signal.SIGKILL)
        eventually(lambda: "mail stopped" in make.output, "the orderly end of the runner")
        eventually(lambda: not any(map(is_alive, pids.values())), "the end of the parts")


def test_a_second_up_says_what_runs_and_leaves_it_alone(folder: Path) -> None:
    offset = free_offset()
    with Runner(folder, offset, "mongod,mail") as runner:
        runner.wait_until_up()
        before = runner.pids()

        second = run_to_end(folder, offset, "mongod,mail")

        assert second.returncode == 0
        assert f"already running in {folder} (runner's pid {runner.pid})" in second.stdout
        for part, pid in before.items():
            assert f"{part:<9} pid {pid}" in second.stdout
        assert runner.pids() == before
        assert all(map(is_alive, before.values()))


def test_two_installations_run_side_by_side(local: Path, test_folder: Path) -> None:
    one_offset = free_offset()
    other_offset = free_offset(taken=[one_offset])
    one_folder = make_folder(test_folder / "one", local)
    other_folder = make_folder(test_folder / "other", local)
    with (
        Runner(one_folder, one_offset, "kafka,mongod") as one,
        Runner(other_folder, other_offset, "kafka,mongod") as other,
    ):
        one.wait_until_up()
        other.wait_until_up()
        clients.create_topic(one.layout.bootstrap, "only-in-one")

        eventually(lambda: "only-in-one" in clients.topics(one.layout.bootstrap), "the topic")
        assert "only-in-one" not in clients.topics(other.layout.bootstrap)
        assert not set(one.pids().values()) & set(other.pids().values())


def test_tools_find_the_installation_that_runs_and_else_the_one_described(folder: Path) -> None:
    described = {"PEYGIR_LOCAL_DIR": str(folder), "PEYGIR_LOCAL_NODES": "3"}
    offset = free_offset()
    with Runner(folder, offset, "mail") as runner:
        runner.wait_until_up()
        found = addresses({"PEYGIR_LOCAL_DIR": str(folder)})
        assert found["PEYGIR_KAFKA_BOOTSTRAP_SERVERS"] == runner.layout.bootstrap
        assert found["PEYGIR_MONGODB_URI"] == runner.layout.mongodb_uri
        assert found["PEYGIR_PORT_OFFSET"] == str(offset)
        assert runner.interrupt() == 0

    found = addresses(described)
    assert found["PEYGIR_KAFKA_BOOTSTRAP_SERVERS"].count(",") == 2
    assert found["PEYGIR_PORT_OFFSET"] == "0"


def test_open_development_is_said_loudly_and_production_refused(folder: Path) -> None:
    with Runner(folder, free_offset(), "mail") as runner:
        runner.wait_until_up()
        assert "DEVELOPMENT, OPEN" in runner.output

    refused = run_to_end(folder, free_offset(), "mail", {"PEYGIR_ENV": "production"})
    assert refused.returncode == 2
    assert refused.stderr.startswith("PEYGIR_ENV:")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PEYGIR_PARTS", "kafka,zookeeper"),
        ("PEYGIR_PARTS", "kafka-1"),  # there is one node, `kafka`
        ("PEYGIR_LOCAL_NODES", "2"),
        ("PEYGIR_LOCAL_NODES", "three"),
        ("PEYGIR_PORT_OFFSET", "many"),
        ("PEYGIR_PORT_OFFSET", "99999"),
        ("PEYGIR_SECURE", "yes"),
    ],
)
def test_a_bad_variable_is_named_in_one_line(folder: Path, variable: str, value: str) -> None:
    refused = run_to_end(folder, 0, "mail", {variable: value})

    assert refused.returncode == 2
    assert variable in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_port_of_another_program_is_named(folder: Path) -> None:
    offset = free_offset()
    with Runner(folder, offset, "mail") as runner:
        runner.wait_until_up()
        refused = run_to_end(folder / "second", offset, "mail")

    assert refused.returncode == 1
    assert f"port {8125 + offset} " in refused.stderr
    assert "PEYGIR_PORT_OFFSET" in refused.stderr


def test_what_is_missing_is_named_in_one_line_with_its_packages() -> None:
    done = subprocess.run(
        ("/bin/sh", "deploy/local/setup.sh"),
        cwd=PROJECT,
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("missing: Python 3.11+, Java 17+, Maven")
    assert "apt-get install -y python3 python3-venv default-jre-headless maven" in line


def test_mails_are_caught_and_kept(folder: Path) -> None:
    mail = EmailMessage(policy=policy.SMTPUTF8)
    mail["From"] = "peygir@example.org"
    mail["To"] = "moavenat@example.org"
    mail["Subject"] = "پیگیری معوق"
    mail.set_content("مهلت این مصوبه گذشته است.\n.\nنقطه")
    with Runner(folder, free_offset(), "mail") as runner:
        runner.wait_until_up()
        with smtplib.SMTP("127.0.0.1", runner.layout.ports.mail) as server:
            server.send_message(mail, to_addrs=["moavenat@example.org", "hidden@example.org"])
        assert runner.interrupt() == 0

    [file] = runner.layout.data("mail").iterdir()
    assert file.suffix == ".eml"
    kept = message_from_bytes(file.read_bytes(), policy=policy.SMTPUTF8)
    assert kept["Subject"] == "پیگیری معوق"
    assert kept["Return-Path"] == "<peygir@example.org>"
    assert kept.get_all("Delivered-To") == ["moavenat@example.org", "hidden@example.org"]
    assert isinstance(kept, EmailMessage)
    assert kept.get_content().splitlines() == ["مهلت این مصوبه گذشته است.", ".", "نقطه"]
