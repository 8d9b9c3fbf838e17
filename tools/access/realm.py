"""The realm of the identity provider: who may have which role, and which programs may ask for them.

It is made from the reference data, so that a role of the realm is a role of the services. Operators
import it into Keycloak as it is; it has neither users nor passwords.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from shared.contracts.reference import AXES, DEPUTIES, PROVINCES

REALM: Final = "peygir"
AUDIENCE: Final = "peygir"
TOOLS: Final = "peygir-tools"
OPERATIONS: Final = "peygir-operations"
BOARD: Final = "peygir-board"
EXAMPLE: Final = "peygir-integrator-example"
ROLES_CLAIM: Final = "roles"

Document: TypeAlias = dict[str, Any]

_EXAMPLE_ROLE: Final = "integrator:example"
_SECONDS_OF_A_DAY: Final = 86_400

_PLAIN_ROLES: Final[Mapping[str, str]] = {
    "coordination": "Coordination of provincial affairs: owns the process",
    "minister-office": "The Minister's office",
    "operator": "Keeps the installation running; decides nothing about sessions and follow-ups",
    "auditor": "Reads everything and the audit trail; changes nothing",
    "system": "Another system that reads, with no person behind it",
}

_REQUIRED_ACTIONS: Final[Mapping[str, str]] = {
    "CONFIGURE_TOTP": "Configure OTP",
    "UPDATE_PASSWORD": "Update Password",
    "UPDATE_PROFILE": "Update Profile",
    "VERIFY_EMAIL": "Verify Email",
    "CONFIGURE_RECOVERY_AUTHN_CODES": "Recovery Authentication Codes",
}
"""What Keycloak can ask of people when they log in. The first is asked of everybody."""


def realm(deputies: Mapping[str, str] | None = None) -> Document:
    """The realm as Keycloak imports it. `deputies` are titles by id; by default the usual nine."""
    titles = deputies or {deputy.id: deputy.title_en for deputy in DEPUTIES}
    roles = _roles(titles)
    return {
        "realm": REALM,
        "enabled": True,
        "displayName": "پیگیر",
        **_languages(),
        **_log_in(),
        **_lifetimes(),
        **_traces(),
        "roles": {"client": {AUDIENCE: [_role(name, text) for name, text in roles.items()]}},
        "groups": _groups(titles),
        "clients": [_audience(), _tools(), _operations(), _board(), _example()],
        "clientScopeMappings": {
            AUDIENCE: [
                {"client": OPERATIONS, "roles": ["operator"]},
                {"client": EXAMPLE, "roles": [_EXAMPLE_ROLE]},
            ]
        },
        "users": [_account_of(OPERATIONS, "operator"), _account_of(EXAMPLE, _EXAMPLE_ROLE)],
    }


def as_text(document: Document) -> str:
    """The file, readable and the same every time."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _roles(deputies: Mapping[str, str]) -> dict[str, str]:
    """Every role by name, each with what it stands for."""
    return {
        **_PLAIN_ROLES,
        **{f"deputy:{id_}": f"Deputy and staff: {title}" for id_, title in deputies.items()},
        **{f"province:{p.code}": f"Governor and staff: {p.name_en}" for p in PROVINCES},
        **{f"adviser:{axis.id}": f"Adviser: {axis.title_en}" for axis in AXES},
        _EXAMPLE_ROLE: "An example of an integrating system",
    }


def _role(name: str, description: str) -> Document:
    return {"name": name, "description": description}


def _groups(deputies: Mapping[str, str]) -> Sequence[Document]:
    """A group for each role of people: whoever joins it has the role."""
    return [
        *(_group(name, name) for name in _PLAIN_ROLES if name != "system"),
        _group("deputies", subgroups=[_group(id_, f"deputy:{id_}") for id_ in deputies]),
        _group("provinces", subgroups=[_group(p.code, f"province:{p.code}") for p in PROVINCES]),
        _group("advisers", subgroups=[_group(axis.id, f"adviser:{axis.id}") for axis in AXES]),
    ]


def _group(name: str, role: str | None = None, subgroups: Iterable[Document] = ()) -> Document:
    return {
        "name": name,
        "clientRoles": {AUDIENCE: [role]} if role else {},
        "subGroups": list(subgroups),
    }


def _languages() -> Document:
    return {
        "internationalizationEnabled": True,
        "supportedLocales": ["fa", "en"],
        "defaultLocale": "fa",
    }


def _log_in() -> Document:
    """Nobody registers or renames themselves; guessing is slowed down; a second factor is asked."""
    return {
        "sslRequired": "all",
        "registrationAllowed": False,
        "resetPasswordAllowed": False,
        "rememberMe": False,
        "loginWithEmailAllowed": False,
        "editUsernameAllowed": False,
        "passwordPolicy": "length(12) and notUsername(undefined) and passwordHistory(5)",
        "bruteForceProtected": True,
        "permanentLockout": False,
        "failureFactor": 5,
        "waitIncrementSeconds": 60,
        "maxFailureWaitSeconds": 900,
        "maxDeltaTimeSeconds": 43_200,
        "requiredActions": [
            {
                "alias": alias,
                "name": name,
                "providerId": alias,
                "enabled": True,
                "defaultAction": alias == "CONFIGURE_TOTP",
                "priority": priority,
                "config": {},
            }
            for priority, (alias, name) in enumerate(_REQUIRED_ACTIONS.items(), start=1)
        ],
    }


def _lifetimes() -> Document:
    """In seconds. A refresh token is used once: a stolen one ends the session of both users."""
    return {
        "defaultSignatureAlgorithm": "RS256",
        "accessTokenLifespan": 300,
        "ssoSessionIdleTimeout": 1_800,
        "ssoSessionMaxLifespan": 36_000,
        "accessCodeLifespan": 60,
        "accessCodeLifespanLogin": 600,
        "oauth2DeviceCodeLifespan": 600,
        "oauth2DevicePollingInterval": 5,
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
    }


def _traces() -> Document:
    return {
        "eventsEnabled": True,
        "eventsExpiration": 90 * _SECONDS_OF_A_DAY,
        "adminEventsEnabled": True,
        "adminEventsDetailsEnabled": True,
    }


def _audience() -> Document:
    """What tokens are for, and whose the roles are. It logs nobody in."""
    return {
        **_client(AUDIENCE, "Peygir's services"),
        "bearerOnly": True,
    }


def _tools() -> Document:
    return {
        **_client(TOOLS, "Command line: a person confirms in a browser (device flow)"),
        "publicClient": True,
        "fullScopeAllowed": True,  # of the services' roles: the mappers hand on no others
        **_attributes({"oauth2.device.authorization.grant.enabled": "true"}),
        "protocolMappers": _mappers(),
    }


def _operations() -> Document:
    return {
        **_client(OPERATIONS, "Command line where nobody sits: jobs of the operators"),
        "serviceAccountsEnabled": True,
        "protocolMappers": _mappers(),
    }


def _board() -> Document:
    """Its address is a variable of the import, so that no address is allowed by pattern."""
    address = "${PEYGIR_BOARD_URL:http://127.0.0.1:8100}"
    return {
        **_client(BOARD, "The board in a browser"),
        "publicClient": True,
        "fullScopeAllowed": True,  # as of the tools
        "standardFlowEnabled": True,
        "redirectUris": [f"{address}/signed-in"],
        "webOrigins": [address],
        **_attributes(
            {
                "pkce.code.challenge.method": "S256",
                "post.logout.redirect.uris": f"{address}/signed-out",
            }
        ),
        "protocolMappers": _mappers(),
    }


def _example() -> Document:
    """A pattern for each integrating system. Keycloak makes its secret at the import."""
    return {
        **_client(EXAMPLE, "An example of an integrating system; copy it for each system"),
        "serviceAccountsEnabled": True,
        "protocolMappers": _mappers(),
    }


def _client(id_: str, name: str) -> Document:
    """A client that may do nothing yet: each flow that it has is switched on by name."""
    return {
        "clientId": id_,
        "name": name,
        "protocol": "openid-connect",
        "enabled": True,
        "publicClient": False,
        "bearerOnly": False,
        "standardFlowEnabled": False,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
        "fullScopeAllowed": False,
        "redirectUris": [],
        "webOrigins": [],
        "defaultClientScopes": ["basic", "acr"],
        "optionalClientScopes": [],
    }


def _attributes(attributes: Mapping[str, str]) -> Document:
    return {"attributes": dict(attributes)}


def _mappers() -> Sequence[Document]:
    """What a token says: for whom it is, who asks, in which roles. No names, no addresses."""
    return [
        _mapper(
            "audience",
            "oidc-audience-mapper",
            {"included.client.audience": AUDIENCE, "id.token.claim": "false"},
        ),
        _mapper(
            "roles",
            "oidc-usermodel-client-role-mapper",
            {
                "usermodel.clientRoleMapping.clientId": AUDIENCE,
                "claim.name": ROLES_CLAIM,
                "jsonType.label": "String",
                "multivalued": "true",
                "id.token.claim": "true",
                "userinfo.token.claim": "true",
            },
        ),
        _mapper(
            "username",
            "oidc-usermodel-attribute-mapper",
            {
                "user.attribute": "username",
                "claim.name": "preferred_username",
                "jsonType.label": "String",
                "id.token.claim": "true",
                "userinfo.token.claim": "true",
            },
        ),
    ]


def _mapper(name: str, kind: str, config: Mapping[str, str]) -> Document:
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": {
            "access.token.claim": "true",
            "introspection.token.claim": "true",
            **config,
        },
    }


def _account_of(client: str, role: str) -> Document:
    """The account in whose name a program without a person asks."""
    return {
        "username": f"service-account-{client}",
        "enabled": True,
        "serviceAccountClientId": client,
        "clientRoles": {AUDIENCE: [role]},
    }
