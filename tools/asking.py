"""How the tools say to a service who asks."""

from __future__ import annotations

import re
from typing import Final

_NOT_IN_A_USER: Final = re.compile(r"[^A-Za-z0-9._@:+-]|^[^A-Za-z0-9]")


def as_operator(who: str) -> dict[str, str]:
    """The headers of a request by an operator; of a name, what a header may hold."""
    user = _NOT_IN_A_USER.sub("x", who)[:100] or "operator"
    return {"X-Peygir-User": user, "X-Peygir-Roles": "operator"}
