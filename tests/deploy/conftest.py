"""The manifests as they render, once for all tests of this process."""

from __future__ import annotations

import pytest

from tests.deploy.manifests import BASE, OVERLAYS, Rendered, render


@pytest.fixture(scope="session", params=(BASE, *OVERLAYS), ids=lambda folder: str(folder.name))
def rendered(request: pytest.FixtureRequest) -> Rendered:
    """The base and each overlay in turn."""
    return render(request.param)


@pytest.fixture(scope="session")
def base() -> Rendered:
    """The base alone."""
    return render(BASE)
