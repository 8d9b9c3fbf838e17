"""Settings of the property tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine that is busy with other things is no fault of the code under test.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
