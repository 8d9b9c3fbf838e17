"""The set-up with one Python and then another, both played by a script."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.layout import KAFKA_VERSION, PROJECT

_SETUP: Final = ("/bin/sh", "deploy/local/setup.sh")
_STAND_IN: Final = """\
#!/bin/sh
# Plays a Python and its pip; wheels are of the ABI that this one has.
abi={abi}
case "$*" in
*SOABI*) echo "$abi" ;;
"-c "*) ;;
"-m venv --clear "*) rm -rf "$4" && mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
*" download "*)
    for folder; do :; done
    mkdir -p "$folder" && : >"$folder/package-$abi.whl"
    echo "download $abi" >>"{said}"
    ;;
*" install "*)
    echo "install $abi" >>"{said}"
    [ -e "{wheels}/package-$abi.whl" ] || {{ echo "No matching distribution" >&2; exit 1; }}
    ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac
"""


class Machine:
    """A machine with Java, Maven, Kafka and as many Pythons as a test makes."""

    def __init__(self, folder: Path) -> None:
        self.local = folder / "local"
        self._bin = folder / "bin"
        self._said = folder / "said.txt"
        self._bin.mkdir()
        for name, text in (("java", "echo 'openjdk version \"17.0.1\"' >&2"), ("mvn", "exit 1")):
            self._script(name, f"#!/bin/sh\n{text}\n")
        kafka = self.local / "cache" / f"kafka-{KAFKA_VERSION}"
        kafka.mkdir(parents=True)
        pom = PROJECT / "deploy" / "local" / "pom.xml"
        (kafka / ".pom.xml").write_bytes(pom.read_bytes())
        (kafka / "classes.jsa").touch()

    def python(self, name: str, abi: str) -> None:
        """Install one under that name."""
        wheels = self.local / "cache" / "wheels"
        self._script(name, _STAND_IN.format(abi=abi, said=self._said, wheels=wheels))

    def set_up(self, python: str = "") -> list[str]:
        """Run the set-up; return what pip had to do for it."""
        self._said.write_text("")
        subprocess.run(
            _SETUP,
            cwd=PROJECT,
            env={
                "PATH": f"{self._bin}:{os.environ['PATH']}",
                "PEYGIR_LOCAL_DIR": str(self.local),
                "PYTHON": python,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return self._said.read_text().splitlines()

    def _script(self, name: str, text: str) -> None:
        path = self._bin / name
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    found.python("python3.11", "cpython-311-x86_64-linux-gnu")
    return found


def test_a_second_set_up_fetches_and_installs_nothing(machine: Machine) -> None:
    abi = "cpython-311-x86_64-linux-gnu"
    assert machine.set_up() == [f"download {abi}", f"install {abi}"]
    assert machine.set_up() == []


@pytest.mark.parametrize(
    "abi",
    [
        "cpython-313-x86_64-linux-gnu",  # another version
        "cpython-311t-x86_64-linux-gnu",  # another ABI
        "cpython-311-x86_64-linux-musl",  # another platform
        "pypy311-pp73-x86_64-linux-gnu",  # another implementation
    ],
)
def test_another_python_with_the_same_lock_gets_wheels_of_its_own(
    machine: Machine, abi: str
) -> None:
    machine.set_up()
    machine.python("other", abi)
    assert machine.set_up(python="other") == [f"download {abi}", f"install {abi}"]
    assert machine.set_up(python="other") == []
    assert machine.set_up(python="python3.11") == ["install cpython-311-x86_64-linux-gnu"]


def test_an_upgrade_that_takes_the_python_away_is_followed(machine: Machine) -> None:
    machine.set_up()
    machine.python("python3.11", "cpython-313-x86_64-linux-gnu")
    (machine.local / "venv" / "bin" / "python").unlink()
    abi = "cpython-313-x86_64-linux-gnu"
    assert machine.set_up() == [f"download {abi}", f"install {abi}"]


def test_the_python_of_the_environment_stays_if_none_is_asked_for(machine: Machine) -> None:
    machine.python("other", "cpython-313-x86_64-linux-gnu")
    machine.set_up(python="other")
    assert machine.set_up() == []
