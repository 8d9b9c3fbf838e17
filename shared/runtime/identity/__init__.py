"""Who sends a request: believed from headers in development, proved by a token elsewhere.

`caller` is what routes use, `headers` the open identity, `tokens` checks OIDC tokens by the
provider's `keys`, and `bearer` makes a principal of a request's token.
"""

from __future__ import annotations

from shared.runtime.identity.bearer import BearerIdentity
from shared.runtime.identity.caller import Authenticator, Caller, principal
from shared.runtime.identity.headers import ROLES_HEADER, USER_HEADER, OpenIdentity
from shared.runtime.identity.keys import ProviderKeys
from shared.runtime.identity.tokens import BadToken, TokenPolicy, Tokens

__all__ = [
    "ROLES_HEADER",
    "USER_HEADER",
    "Authenticator",
    "BadToken",
    "BearerIdentity",
    "Caller",
    "OpenIdentity",
    "ProviderKeys",
    "TokenPolicy",
    "Tokens",
    "principal",
]
