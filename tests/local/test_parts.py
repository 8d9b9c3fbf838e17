"""The small laws under the runner: back-off, readiness, process ids."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.layout import Layout, Ports
from deploy.local.parts import wait_until_ready
from deploy.local.ports import reserve_ports
from deploy.local.processes import Command, Log, Starter, is_alive, read_pid
from deploy.local.services import Mail, Service
from deploy.local.supervisor import Backoff


@given(st.lists(st.floats(min_value=0, max_value=9), min_size=2, max_size=20))
def test_a_part_that_keeps_dying_waits_longer_and_never_over_five_seconds(
    lives: list[float],
) -> None:
    backoff = Backoff()
    pauses = [backoff.after(life) for life in lives]

    assert pauses[0] == 0
    assert all(earlier <= later <= 5 for earlier, later in pairwise(pauses))
    assert backoff.after(3600) == 0


@contextmanager
def answering(port: int, status: int, body: bytes) -> Iterator[None]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_service_is_ready_when_it_says_so_and_else_its_reason_is_shown(tmp_path: Path) -> None:
    reservation = reserve_ports()
    service = Service("followups", Layout(tmp_path, tmp_path, reservation.ports))
    port = reservation.ports.of("followups")

    assert service.trouble() == "no answer yet"
    unready = b'{"status": "error", "checks": {"kafka": "ok", "mongodb": "no primary"}}'
    with answering(port, 503, unready):
        assert service.trouble() == "mongodb: no primary"
    with answering(port, 503, b"<html>"):
        assert service.trouble() == "/readyz answers 503"
    with answering(port, 200, b"{}"):
        assert service.trouble() is None
    reservation.close()


def test_a_service_is_told_of_this_installation_and_its_own_port(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path, Ports.standard(700))
    told = Service("notify", layout).command().environment

    assert told["PEYGIR_ENV"] == "development"
    assert told["PEYGIR_KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:29792"
    assert told["PEYGIR_MONGODB_URI"] == "mongodb://127.0.0.1:27817/?replicaSet=peygir"
    assert told["PEYGIR_HTTP_PORT"] == "8804"
    assert told["PEYGIR_SMTP_PORT"] == "8825"


def test_the_pid_file_names_the_real_process_in_a_group_of_its_own(tmp_path: Path) -> None:
    reservation = reserve_ports()
    layout = Layout(tmp_path, tmp_path, reservation.ports)
    layout.make_folders()
    mail = Mail(layout)
    mail.prepare()
    with Starter() as starter:
        process = starter.start(mail.command(), layout.log("mail"), layout.pid("mail"))
        wait_until_ready(mail, process)
        pid = read_pid(layout.pid("mail"))
        assert pid == process.pid == os.getpgid(process.pid)
        assert b"deploy.local.mailcatcher" in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert process.stop(grace_seconds=10)
    assert not is_alive(process.pid)
    assert read_pid(layout.pid("mail")) is None
    reservation.close()


def test_reserved_ports_are_given_once() -> None:
    reservations = [reserve_ports() for _ in range(20)]
    ports = {reservation.ports.kafka for reservation in reservations}
    for reservation in reservations:
        reservation.close()

    assert len(ports) == 20


def test_the_last_lines_of_a_log_are_its_own_last(tmp_path: Path) -> None:
    file = tmp_path / "part.log"
    file.write_text("زندگی پیشین\n", encoding="utf-8")
    began_at = file.stat().st_size
    assert Log(file, began_at).last_lines(3) == []

    with file.open("a", encoding="utf-8") as log:
        log.writelines(f"خط {number}\n\n" for number in range(2))
        log.write('{"s":"I", "msg":"Shutting down"}\n')
    assert Log(file, began_at).last_lines(3) == ["خط 0", "خط 1"]

    with file.open("a", encoding="utf-8") as log:
        log.writelines(f"خط {number}\n" for number in range(50_000))
    assert Log(file, began_at).last_lines(2) == ["خط 49998", "خط 49999"]


def test_what_a_starter_started_ends_with_it(tmp_path: Path) -> None:
    command = Command(("sleep", "600"), tmp_path, os.environ)
    with Starter() as starter:
        process = starter.start(command, tmp_path / "sleep.log", tmp_path / "sleep.pid")
        assert is_alive(process.pid)

    assert process.wait(10)
    assert process.ending == "SIGKILL"
