"""A disk that fills up under one of three."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster, Name
from tests.local import clients
from tests.local.disk import small_disk


def test_a_full_disk_takes_nothing_until_it_is_freed(tmp_path: Path) -> None:
    file = tmp_path / "disk" / "note"
    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            file.write_text("?")
        disk.free()
        file.write_text("!")

    assert not os.path.ismount(tmp_path / "disk")
    assert not file.exists()


@pytest.mark.soak
@pytest.mark.parametrize("name", ["kafka-2", "mongod-2"])
def test_writes_go_on_while_one_disk_is_full_and_it_catches_up(
    name: Name, local: Path, test_folder: Path, tmp_path: Path
) -> None:
    topic, big = "full", "-" * 500_000
    with (
        small_disk(tmp_path / "disk", megabytes=512) as disk,
        Cluster(
            test_folder / f"full-{name}", local / "cache", nodes=3, data_on={name: disk.folder}
        ) as cluster,
        clients.mongo(cluster.mongodb_uri) as client,
    ):
        kept = client["full"]["kept"]
        clients.create_topic(cluster.bootstrap, topic, copies=3)
        cluster.wait_until_level()

        disk.fill()
        for number in range(2_000):
            kept.insert_one({"_id": number, "text": big})
            assert clients.send(cluster.bootstrap, topic, big)
            if not cluster.is_running(name):
                break
        assert cluster.wait_until_gone(name, 1), f"{name} took {number} writes on a full disk"

        disk.free()
        cluster.start(name)
        cluster.wait_until_level()
        assert kept.count_documents({}) == number + 1
        assert len(clients.read_all(cluster.bootstrap, topic)) == number + 1
