"""`python -m services.reports`"""

from __future__ import annotations

from services.reports.app import SERVICE, build
from services.reports.settings import ReportsSettings
from shared.runtime import logs
from shared.runtime.settings import load


def main() -> None:
    """Read the settings, wire the service, and run it until it is stopped."""
    settings = load(ReportsSettings)
    logs.configure(SERVICE, settings.log_level, settings.log_format == "json")
    host, app = build(settings)
    host.run(app)


if __name__ == "__main__":
    main()
