"""Configuration: environment variables with the prefix `PEYGIR_`, or files of the same name.

Each class of settings is in a module of its own, by what it is about; `CommonSettings` has all that
a service needs, `ProcessSettings` what a tool needs. `load` reads them.
"""

from __future__ import annotations

from shared.runtime.settings.common import CommonSettings, ProcessSettings
from shared.runtime.settings.fields import PARTS, PREFIX, DeputyId, Names, Part, shifted_port
from shared.runtime.settings.loading import load, refuse
from shared.runtime.settings.site import SiteSettings

__all__ = [
    "PARTS",
    "PREFIX",
    "CommonSettings",
    "DeputyId",
    "Names",
    "Part",
    "ProcessSettings",
    "SiteSettings",
    "load",
    "refuse",
    "shifted_port",
]
