"""The job that creates the topics, against the real Kafka, with another client as witness."""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.local.cluster import Cluster
from deploy.local.layout import HOST
from shared.contracts.topics import Topics
from shared.messaging.kafka.connection import plain
from tests.contracts.job import DEPUTIES, PATIENCE_SECONDS, config, create, partitions, run, topics
from tools.topics.ensure import ensure

ONE_COPY = {"PEYGIR_REPLICATION_FACTOR": "1", "PEYGIR_FEW_COPIES": "accepted"}


def test_it_creates_every_topic_as_declared(
    cluster: Cluster, witness: AdminClient, prefix: str
) -> None:
    done = run(cluster.bootstrap, prefix)

    assert (done.returncode, done.stderr) == (0, "")
    specs = topics(prefix).all()
    assert partitions(witness, prefix) == {spec.name: spec.partitions for spec in specs}
    for spec in specs:
        assert config(witness, spec.name).items() >= spec.config_with(1).items()
        assert f"created {spec.name}\n" in done.stdout


def test_it_can_be_repeated(cluster: Cluster, witness: AdminClient, prefix: str) -> None:
    run(cluster.bootstrap, prefix)
    before = partitions(witness, prefix)

    done = run(cluster.bootstrap, prefix, "create", **ONE_COPY)

    count = len(topics(prefix).all())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{count} topics: created 0 (replication factor 1), {count} were")
    assert partitions(witness, prefix) == before


def test_it_adds_the_topics_of_a_new_deputy(
    cluster: Cluster, witness: AdminClient, prefix: str
) -> None:
    run(cluster.bootstrap, prefix)

    done = run(cluster.bootstrap, prefix, PEYGIR_KNOWN_DEPUTIES=f"{DEPUTIES},social")

    assert done.returncode == 0
    assert "topics: created 2 " in done.stdout
    more = Topics([*DEPUTIES.split(","), "social"], prefix)
    assert set(partitions(witness, prefix)) == {spec.name for spec in more.all()}


@pytest.mark.parametrize("there", [1, 5])
def test_another_number_of_partitions_is_reported_and_kept(
    cluster: Cluster, witness: AdminClient, prefix: str, there: int
) -> None:
    name = topics(prefix).resolutions("civil")
    create(witness, name, there, max_message_bytes="1048576", retention_ms="-1")

    done = run(cluster.bootstrap, prefix, "--alter")

    assert done.returncode == 1
    assert f"{name} has {there} partitions, declared are 3: " in done.stderr
    assert "delete the topic if it is empty" in done.stderr
    assert "1 differences" in done.stdout
    assert partitions(witness, prefix)[name] == there
    assert len(partitions(witness, prefix)) == len(topics(prefix).all())


def test_a_config_that_differs_is_reported_and_set_when_asked(
    cluster: Cluster, witness: AdminClient, prefix: str
) -> None:
    name = topics(prefix).sessions
    create(witness, name, 3, retention_ms="1000", segment_bytes="2000000")

    reported = run(cluster.bootstrap, prefix)
    assert reported.returncode == 1
    assert f"{name} has retention.ms=1000, declared is -1: run this again with --alter" in (
        reported.stderr
    )
    assert config(witness, name)["retention.ms"] == "1000"

    tried = run(cluster.bootstrap, prefix, "--alter", "--dry-run")
    assert tried.returncode == 1
    assert config(witness, name)["retention.ms"] == "1000"

    altered = run(cluster.bootstrap, prefix, "--alter")
    assert (altered.returncode, altered.stderr) == (0, "")
    assert f"altered {name}\n" in altered.stdout
    now = config(witness, name)
    assert (now["retention.ms"], now["max.message.bytes"]) == ("-1", "1048576")
    assert now["segment.bytes"] == "2000000", "other config of the operator has to stay"

    assert run(cluster.bootstrap, prefix).returncode == 0


def test_missing_config_is_added_to_existing_topics(
    cluster: Cluster, witness: AdminClient, prefix: str
) -> None:
    name = topics(prefix).resolutions("civil")
    create(
        witness, name, 3, retention_ms="-1", max_message_bytes="1048576", segment_bytes="2000000"
    )
    assert config(witness, name)["compression.type"] == "producer"

    tried = run(cluster.bootstrap, prefix, "--dry-run")
    assert (tried.returncode, tried.stderr) == (0, "")
    assert f"would alter {name}\n" in tried.stdout
    assert config(witness, name)["compression.type"] == "producer"

    done = run(cluster.bootstrap, prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"altered {name}\n" in done.stdout
    now = config(witness, name)
    assert (now["compression.type"], now["segment.bytes"]) == ("uncompressed", "2000000")
    assert "altered 0, 0 differences" in run(cluster.bootstrap, prefix).stdout


def test_additional_config_is_accepted(cluster: Cluster, witness: AdminClient, prefix: str) -> None:
    spec = topics(prefix).all()[0]
    declared = {key.replace(".", "_"): value for key, value in spec.config.items()}
    create(witness, spec.name, spec.partitions, 1, **declared, segment_bytes="2000000")

    assert run(cluster.bootstrap, prefix).returncode == 0


def test_a_dry_run_creates_nothing(cluster: Cluster, witness: AdminClient, prefix: str) -> None:
    done = run(cluster.bootstrap, prefix, "--dry-run")

    assert done.returncode == 0
    assert f"would create {topics(prefix).sessions}\n" in done.stdout
    assert partitions(witness, prefix) == {}


async def test_two_jobs_at_once_create_each_topic_once(cluster: Cluster, prefix: str) -> None:
    specs = topics(prefix).all()

    reports = await asyncio.gather(
        *(
            ensure(plain(cluster.bootstrap), specs, say=print, replication_factor=1)
            for _ in range(3)
        )
    )

    created = [name for report in reports for name in report.created]
    assert sorted(created) == sorted(spec.name for spec in specs)
    assert [report.faults for report in reports] == [(), (), ()]


async def test_when_it_is_done_the_broker_knows_every_topic(
    cluster: Cluster, witness: AdminClient
) -> None:
    """It lists a topic a moment after it reports its creation; services start after this job."""
    for _ in range(5):
        prefix = f"t{uuid.uuid4().hex[:10]}"
        await ensure(plain(cluster.bootstrap), topics(prefix).all(), say=print)

        assert set(partitions(witness, prefix)) == {spec.name for spec in topics(prefix).all()}


def test_too_many_copies_are_refused_with_the_reason(
    cluster: Cluster, witness: AdminClient, prefix: str
) -> None:
    for arguments, settings in (
        (("--replication-factor", "3"), {}),
        ((), {"PEYGIR_REPLICATION_FACTOR": "3"}),
    ):
        done = run(cluster.bootstrap, prefix, "--timeout", "1", *arguments, **settings)

        assert done.returncode == 1
        assert "replication factor of 3 cannot be reached" in done.stderr
        assert done.stderr.count("\n") == 1
    assert partitions(witness, prefix) == {}


def test_without_kafka_it_reports_that_and_fails() -> None:
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        bootstrap = f"{HOST}:{nobody.getsockname()[1]}"

        done = run(bootstrap, "", "--timeout", "1")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"waiting for Kafka at {bootstrap}, up to 1 s",
        f"no answer from Kafka at {bootstrap} within 1 s",
    ]


def test_one_address_that_answers_is_enough(
    cluster: Cluster, witness: AdminClient, prefix: str
) -> None:
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))

        done = run(f"{HOST}:{nobody.getsockname()[1]}, {cluster.bootstrap}", prefix)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(partitions(witness, prefix)) == len(topics(prefix).all())


def test_records_are_dated_by_the_broker(cluster: Cluster, prefix: str) -> None:
    run(cluster.bootstrap, prefix)
    name = topics(prefix).sessions
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    producer.produce(name, b"{}", timestamp=1)
    began = time.time()
    assert producer.flush(10) == 0

    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": prefix})
    consumer.assign([TopicPartition(name, p, 0) for p in range(3)])
    record = consumer.poll(PATIENCE_SECONDS)
    consumer.close()

    assert record is not None
    kind, milliseconds = record.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert began - 1 < milliseconds / 1000 < time.time() + 1


async def test_it_waits_for_kafka(cluster: Cluster, prefix: str) -> None:
    """Kafka answers at an address after the job has reported that it waits for it."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        said: asyncio.Queue[str] = asyncio.Queue()
        bootstrap = f"{HOST}:{listener.getsockname()[1]}"
        specs = topics(prefix).all()
        job = asyncio.create_task(
            ensure(plain(bootstrap), specs, say=said.put_nowait, timeout_seconds=30)
        )
        assert await said.get() == f"waiting for Kafka at {bootstrap}, up to 30 s"
        async with _way_to(cluster.bootstrap, listener):
            report = await job

    assert len(report.created) == len(specs)
    assert said.empty()


@asynccontextmanager
async def _way_to(bootstrap: str, listener: socket.socket) -> AsyncIterator[None]:
    """Forward connections of the listener to Kafka."""
    host, _, port = bootstrap.partition(":")

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65_536):
            sink.write(chunk)
            await sink.drain()
        sink.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kafka_reader, kafka_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pipe(reader, kafka_writer), pipe(kafka_reader, writer))

    async with await asyncio.start_server(connect, sock=listener):
        yield


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PEYGIR_KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("PEYGIR_KNOWN_DEPUTIES", "Civil"),
        ("PEYGIR_NAMESPACE", "a.b"),
        ("PEYGIR_REPLICATION_FACTOR", "0"),
        ("PEYGIR_FEW_COPIES", "yes"),
    ],
)
def test_bad_configuration_is_one_line_that_names_the_variable(name: str, value: str) -> None:
    done = run("127.0.0.1:1", "", **{name: value})

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{name}: ")
    assert done.stderr.count("\n") == 1


def test_the_list_needs_no_kafka() -> None:
    done = run("127.0.0.1:1", "test-", "list")

    assert done.returncode == 0
    listed = [line.split()[:2] for line in done.stdout.splitlines()]
    assert listed == [[spec.name, str(spec.partitions)] for spec in topics("test-").all()]


def test_help_names_the_commands_and_the_variables() -> None:
    done = run("127.0.0.1:1", "", "--help")

    assert done.returncode == 0
    for word in ("create", "list", "PEYGIR_KNOWN_DEPUTIES", "PEYGIR_REPLICATION_FACTOR"):
        assert word in done.stdout
