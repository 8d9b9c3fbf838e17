"""The lock: pip, told to check hashes, takes no extra of a distribution that is not pinned too."""

from __future__ import annotations

from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.lock import pinned


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_what_is_asked_for_with_extras_is_pinned_with_them(lock: str) -> None:
    """Otherwise the set-up fails from the day on which a newer version comes out."""
    pins = pinned(lock)
    asked = [
        (name, wanted)
        for name, pin in pins.items()
        if pin.marker is None or pin.marker.evaluate()
        for wanted in map(Requirement, requires(name) or ())
        if wanted.extras
        and (
            wanted.marker is None
            or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *pin.extras))
        )
    ]
    assert asked
    for name, wanted in asked:
        missing = wanted.extras - pins[canonicalize_name(wanted.name)].extras
        assert not missing, f"{lock}: {name} asks for {wanted.name} with {missing}"
