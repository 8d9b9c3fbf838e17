"""What a token says of itself. Nobody has verified it here: that is up to the services."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.runtime.settings.identity import ProviderSettings


@dataclass(frozen=True, slots=True)
class Claims:
    """Who a token is for. What it does not say is empty, or None."""

    user: str
    roles: Sequence[str]
    expires_at: datetime | None  # UTC


def claims_of(token: str, settings: ProviderSettings) -> Claims | None:
    """What the token says, unverified; None if it is no JSON Web Token that can be read."""
    document = _payload(token)
    if document is None:
        return None
    roles = _at(document, settings.oidc_roles_claim)
    user = _at(document, settings.oidc_user_claim)
    return Claims(
        user=user if isinstance(user, str) else "",
        roles=[role for role in roles if isinstance(role, str)] if isinstance(roles, list) else [],
        expires_at=_instant(document.get("exp")),
    )


def _payload(token: str) -> Mapping[str, Any] | None:
    _, _, rest = token.partition(".")
    encoded = rest.partition(".")[0]
    try:
        document = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _instant(seconds: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _at(document: Mapping[str, Any], path: str) -> Any:
    """The claim at a path such as `realm_access.roles`; None if there is none."""
    found: Any = document
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
