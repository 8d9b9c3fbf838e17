"""`python -m services.scheduler`"""

from __future__ import annotations

from services.scheduler.app import SERVICE, build
from services.scheduler.settings import SchedulerSettings
from shared.runtime import logs
from shared.runtime.settings import load


def main() -> None:
    """Read the settings, wire the service, and run it until it is stopped."""
    settings = load(SchedulerSettings)
    logs.configure(SERVICE, settings.log_level, settings.log_format == "json")
    host, app = build(settings)
    host.run(app)


if __name__ == "__main__":
    main()
