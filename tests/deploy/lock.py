"""What the lock files pin."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from deploy.local.layout import PROJECT


def pinned(lock: str) -> dict[NormalizedName, Requirement]:
    """Return each distribution that a lock file pins."""
    pins = (
        Requirement(line.removesuffix("\\"))
        for line in (PROJECT / lock).read_text().splitlines()
        if line[:1].isalnum()
    )
    return {canonicalize_name(pin.name): pin for pin in pins}
