"""The peer that others would take: Kafka Connect with MongoDB's sink connector, from Maven."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT, local_dir
from deploy.local.processes import Command

_POM: Final = PROJECT / "tests/bench/connect/pom.xml"
_TASKS: Final = 2  # as many as the machine has cores
_SINK: Final = """\
name=sink
connector.class=com.mongodb.kafka.connect.MongoSinkConnector
tasks.max={tasks}
topics={topic}
connection.uri={uri}
database={database}
collection=followups
document.id.strategy=com.mongodb.kafka.connect.sink.processor.id.strategy.PartialValueStrategy
document.id.strategy.overwrite.existing=true
document.id.strategy.partial.value.projection.type=AllowList
document.id.strategy.partial.value.projection.list=resolution_id
writemodel.strategy=com.mongodb.kafka.connect.sink.writemodel.strategy.ReplaceOneDefaultStrategy
consumer.override.max.poll.records=2000
"""
_WORKER: Final = """\
bootstrap.servers={bootstrap}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
offset.storage.file.filename={folder}/{topic}.offsets
offset.flush.interval.ms=10000
plugin.path={plugins}
plugin.discovery=only_scan
listeners=HTTP://127.0.0.1:0
connector.client.config.override.policy=All
"""


class NoConnect(Exception):
    """The jars of the peer could not be had."""


def install() -> Path:
    """Have the jars in the cache, from Maven the first time. Raises NoConnect."""
    home = local_dir(os.environ) / "cache/connect"
    stamp = home / ".pom.xml"
    if not stamp.exists() or stamp.read_bytes() != _POM.read_bytes():
        fetched = subprocess.run(
            [
                *("mvn", "--quiet", "--batch-mode", "--file", str(_POM)),
                f"-Dmaven.repo.local={home.parent / 'maven'}",
                *("dependency:copy-dependencies", "-DincludeScope=runtime"),
                f"-DoutputDirectory={home / 'libs'}",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode != 0:
            raise NoConnect(f"Maven could not fetch Kafka Connect:\n{fetched.stdout[-2_000:]}")
        stamp.write_bytes(_POM.read_bytes())
    return home


def connect_properties(folder: Path, cluster: Cluster, topic: str) -> tuple[Path, Path]:
    """Write the properties of a worker and of a sink from a topic to a database of its name."""
    worker, sink = folder / f"{topic}.worker", folder / f"{topic}.sink"
    worker.write_text(
        _WORKER.format(
            bootstrap=cluster.bootstrap, folder=folder, topic=topic, plugins=install() / "libs"
        )
    )
    sink.write_text(
        _SINK.format(topic=topic, uri=cluster.mongodb_uri, database=topic, tasks=_TASKS)
    )
    return worker, sink


def connect_command(files: tuple[Path, Path]) -> Command:
    """Kafka Connect of one process."""
    return Command(
        (
            *("java", "-Xms256m", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
            *("-cp", f"{install() / 'libs'}/*"),
            *("org.apache.kafka.connect.cli.ConnectStandalone", *map(str, files)),
        ),
        PROJECT,
        dict(os.environ),
    )
