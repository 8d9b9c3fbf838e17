"""Which identity provider is trusted, and how its tokens are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from shared.runtime.addresses import refused
from shared.runtime.settings.fields import split
from shared.runtime.settings.site import SiteSettings

Algorithm: TypeAlias = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
]
"""Signatures by a private key alone: a shared secret would let each service make tokens."""

ClaimPath: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class ProviderSettings(SiteSettings):
    """The settings of every process that speaks to the provider, or reads its tokens."""

    oidc_issuer: str | None = Field(
        None, description="The provider's issuer, exactly as its tokens name it in `iss`."
    )
    oidc_roles_claim: ClaimPath = Field(
        "roles", description="The claim that lists the roles; dots lead into nested ones."
    )
    oidc_user_claim: ClaimPath = Field(
        "preferred_username",
        description="The claim that names the person; it must be unique and never be given anew.",
    )
    oidc_ca_file: Path | None = Field(
        None, description="The certificates (PEM) that vouch for the provider; else the system's."
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _secured(cls, issuer: str | None, info: ValidationInfo) -> str | None:
        if issuer is None:
            return None
        parts = urlsplit(issuer)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise refused("not an address such as https://id.example.org/realms/peygir")
        if parts.query or parts.fragment or parts.username:
            raise refused("an issuer has no user, query or fragment")
        if parts.scheme == "http" and (
            info.data.get("env") == "production" or parts.hostname not in _LOOPBACK
        ):
            raise refused("keys that come over http:// can be anybody's; use https://")
        return issuer


class IdentitySettings(ProviderSettings):
    """The settings of every process that has to know who asks."""

    oidc_audience: str | None = Field(
        None, description="The name of this installation in the tokens' `aud`."
    )
    oidc_algorithms: Annotated[tuple[Algorithm, ...], NoDecode, BeforeValidator(split)] = Field(
        ("RS256", "PS256", "ES256", "Ed25519", "EdDSA"),
        min_length=1,
        description="Accepted signatures.",
    )
    oidc_skew_seconds: int = Field(
        30, ge=0, le=300, description="How far the provider's clock may be from this one."
    )

    @field_validator("oidc_audience")
    @classmethod
    def _with_issuer(cls, audience: str | None, info: ValidationInfo) -> str | None:
        if audience is None and info.data.get("oidc_issuer") is not None:
            raise refused("is missing: without it, tokens for other systems would be accepted")
        return audience

    @property
    def has_identity(self) -> bool:
        """Whether tokens are asked for; else the identity is open, for development."""
        return self.oidc_issuer is not None

    def lacks(self) -> Iterator[str]:
        yield from super().lacks()
        if self.oidc_issuer is None:
            yield "PEYGIR_OIDC_ISSUER: the address of the identity provider"
        if self.oidc_audience is None:
            yield "PEYGIR_OIDC_AUDIENCE: this installation's name in the provider's tokens"
