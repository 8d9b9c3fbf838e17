"""What tests of every kind may ask for: a real Kafka and MongoDB, and names of their own."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from deploy.local.cluster import Cluster
from deploy.local.layout import local_dir
from deploy.local.processes import is_alive
from shared.contracts.topics import Topics
from tests.component.harness import create_topics

# A machine that is busy with other things is no fault of the code under test.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# Where nothing is configured, a traceback with every local variable takes seconds to draw.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
def local() -> Path:
    """The local folder of this checkout; tests make folders of their own in it."""
    return local_dir(os.environ)


@pytest.fixture(scope="session")
def test_folder(local: Path) -> Iterator[Path]:
    """A folder for this test process alone, removed with it."""
    for left in local.glob("test-*"):
        pid = left.name.removeprefix("test-")
        if pid.isdecimal() and not is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    folder = local / f"test-{os.getpid()}"
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(local: Path, test_folder: Path) -> Iterator[Cluster]:
    """Kafka and MongoDB, started on first use, shared by the tests of this process.

    A test that kills or stops a part starts it again before it ends.
    """
    with Cluster(test_folder / "cluster", local / "cache") as running:
        yield running


@pytest.fixture(scope="module")
def namespace() -> str:
    """A prefix for this module's topics, groups and databases."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="module")
def topics(cluster: Cluster, namespace: str) -> Topics:
    """The module's topics, created."""
    return create_topics(cluster, namespace)
