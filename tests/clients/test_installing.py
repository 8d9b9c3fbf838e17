"""kafkajs is the one version that was chosen, and a test without Node fails, never passes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.clients.foreign import install_kafkajs

NPM = """#!/bin/sh
echo "$@" >> "${0%/*}/asked"
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules/kafkajs"
echo "{\\"version\\": \\"${3#kafkajs@}\\"}" > "$2/node_modules/kafkajs/package.json"
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands, beside those that the stand-in for npm needs; it notes its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("npm", NPM), ("node", "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "mkdir").symlink_to("/bin/mkdir")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_an_exact_version_is_installed_once(tools: Path, tmp_path: Path) -> None:
    client = tmp_path / "client"
    install_kafkajs(client)
    install_kafkajs(client)
    (asked,) = (tools / "asked").read_text().splitlines()
    assert re.search(r" kafkajs@[0-9]+\.[0-9]+\.[0-9]+$", asked)


def test_another_version_that_is_there_is_replaced(tools: Path, tmp_path: Path) -> None:
    client = tmp_path / "client"
    described = client / "node_modules" / "kafkajs" / "package.json"
    described.parent.mkdir(parents=True)
    described.write_text(json.dumps({"version": "1.16.0"}))
    install_kafkajs(client)
    assert (tools / "asked").exists()
    assert json.loads(described.read_text())["version"] != "1.16.0"


@pytest.mark.parametrize(
    ("gone", "packages"),
    [(["node"], "nodejs"), (["npm"], "npm"), (["node", "npm"], "nodejs npm")],
)
def test_what_is_missing_fails_in_one_line(
    tools: Path, tmp_path: Path, gone: list[str], packages: str
) -> None:
    for name in gone:
        (tools / name).unlink()
    with pytest.raises(pytest.fail.Exception) as failed:
        install_kafkajs(tmp_path / "client")
    told = str(failed.value)
    assert told.endswith(f"apt-get install -y {packages}")
    assert "\n" not in told
