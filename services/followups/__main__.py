"""`python -m services.followups`"""

from __future__ import annotations

from services.followups.app import SERVICE, build
from services.followups.settings import FollowupsSettings
from shared.runtime import logs
from shared.runtime.settings import load


def main() -> None:
    """Read the settings, wire the service, and run it until it is stopped."""
    settings = load(FollowupsSettings)
    logs.configure(SERVICE, settings.log_level, settings.log_format == "json")
    host, app = build(settings)
    host.run(app)


if __name__ == "__main__":
    main()
