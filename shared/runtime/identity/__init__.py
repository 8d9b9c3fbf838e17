"""Who sends a request: believed from headers in development, proved by a token elsewhere.

`caller` is what routes use, `headers` the open identity, `tokens` checks OIDC tokens by the
provider's `keys`, and `bearer` makes a principal of a request's token. The last three are not
imported here: they take ten megabytes that the open identity does not need.
"""

from __future__ import annotations

from shared.runtime.identity.caller import (
    Absences,
    Authenticator,
    Caller,
    apply_absences,
    principal,
)
from shared.runtime.identity.headers import ROLES_HEADER, USER_HEADER, OpenIdentity

__all__ = [
    "ROLES_HEADER",
    "USER_HEADER",
    "Absences",
    "Authenticator",
    "Caller",
    "OpenIdentity",
    "apply_absences",
    "principal",
]
