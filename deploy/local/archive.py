"""Keeps Kafka's loaded classes in an archive, which takes a third off each later start.

Java's class-data sharing: one run of Kafka writes what it loaded when it ends. A Java of another
version ignores the archive and loads the classes as usual.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from deploy.local.kafka import Kafka
from deploy.local.layout import Layout
from deploy.local.parts import start, wait_until_ready
from deploy.local.ports import reserve_ports
from deploy.local.processes import Starter


def archive_classes(cache: Path) -> Path:
    """Start Kafka once, on storage that is thrown away, and return the archive that it left.

    Raises NoKafka, PartFailed.
    """
    reservation = reserve_ports()
    with tempfile.TemporaryDirectory(prefix="peygir-") as folder, Starter() as starter:
        layout = Layout(Path(folder), cache, reservation.ports)
        layout.make_folders()
        draft = layout.kafka_classes.with_suffix(".new")
        kafka = Kafka(layout, java_options=(f"-XX:ArchiveClassesAtExit={draft}",))
        process = start(kafka, layout, starter)
        wait_until_ready(kafka, process)
        process.stop(kafka.grace_seconds)
        draft.replace(layout.kafka_classes)
    reservation.close()
    return layout.kafka_classes
