"""What the lock pins for the image, with what the installed packages say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

_IMAGE: Final[Mapping[str, str]] = {
    "platform_system": "Linux",
    "sys_platform": "linux",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "python_version": "3.11",
    "python_full_version": "3.11.0",
}
"""What the markers of a lock for every platform are about, as it is in the image."""

_NO_LICENCE: Final = ""


@dataclass(frozen=True, slots=True)
class Package:
    """One package of the image."""

    name: NormalizedName
    version: str
    licence: str  # an SPDX expression, or what the package says; empty if it says nothing
    needs: tuple[NormalizedName, ...]  # other packages of the image


class NotInstalled(Exception):
    """A pinned package is not installed here, so it cannot be asked; the message names it."""


def packages(lock: Path) -> tuple[Package, ...]:
    """The packages that the lock installs into the image, by name.

    Raises NotInstalled if this Python has one of them not or in another version.
    """
    pins = {canonicalize_name(pin.name): pin for pin in _pins(lock.read_text().splitlines())}
    return tuple(_package(name, pin, pins) for name, pin in sorted(pins.items()))


def _pins(lines: Iterable[str]) -> Iterable[Requirement]:
    for line in lines:
        if line[:1].isalnum():
            pin = Requirement(line.removesuffix("\\"))
            if pin.marker is None or pin.marker.evaluate(dict(_IMAGE)):
                yield pin


def _package(
    name: NormalizedName, pin: Requirement, pins: Mapping[NormalizedName, Requirement]
) -> Package:
    (specifier,) = pin.specifier
    try:
        installed = distribution(name)
    except PackageNotFoundError as error:
        raise NotInstalled(f"{name} is pinned and not installed; run `make setup`") from error
    if installed.version != specifier.version:
        pinned, here = specifier.version, installed.version
        raise NotInstalled(f"{name} {pinned} is pinned, {here} installed; run `make setup`")
    said = installed.metadata.get_all("License-Expression") or ()
    licence = next(iter(said), "") or _classified(installed.metadata.get_all("Classifier") or ())
    wanted = {
        canonicalize_name(need.name)
        for need in map(Requirement, installed.requires or ())
        if _is_wanted(need, pin.extras)
    }
    return Package(name, specifier.version, licence, tuple(sorted(wanted & pins.keys())))


def _is_wanted(need: Requirement, extras: Iterable[str]) -> bool:
    if need.marker is None:
        return True
    return any(need.marker.evaluate({**_IMAGE, "extra": extra}) for extra in ("", *extras))


def _classified(classifiers: Iterable[str]) -> str:
    """The licence by its classifier: `License :: OSI Approved :: MIT License`."""
    named = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    return " OR ".join(named) or _NO_LICENCE
