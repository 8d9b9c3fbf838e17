"""The Persian texts of what this service refuses."""

from __future__ import annotations

from typing import Final

from shared.runtime.persian import Catalogue

CATALOGUE: Final = Catalogue({"no notice {notice_id}": "اعلان {notice_id} نیست"})
