"""Which provider a tool asks for its token, and as which program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, field_validator

from shared.runtime.addresses import refused
from shared.runtime.settings.identity import ProviderSettings
from tools.login.errors import NotConfigured

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750


class LoginSettings(ProviderSettings):
    """The settings of every tool that needs a token."""

    oidc_client_id: str = Field(
        "peygir-tools", pattern=r"^[\x21-\x7e]+$", description="The tool's name at the provider."
    )
    oidc_client_secret: SecretStr | None = Field(
        None, description="The secret of a program that acts without a person."
    )
    oidc_client_secret_file: Path | None = Field(
        None, description="A file with that secret; read again each time it is needed."
    )
    oidc_scope: str = Field("openid", description="The scopes to ask for, with blanks between.")
    token: SecretStr | None = Field(
        None, description="A token to send as it is; it takes precedence over every login."
    )

    @field_validator("token")
    @classmethod
    def _one_word(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise refused("not a token; give it without `Bearer`, blanks and quotes")
        return token

    @property
    def has_credentials(self) -> bool:
        """Whether requests carry a token; else they carry the headers of development."""
        return self.token is not None or self.oidc_issuer is not None

    def client_secret(self) -> str | None:
        """The secret of the program; None if a person logs in. Raises NotConfigured."""
        if self.oidc_client_secret_file is not None:
            try:
                text = self.oidc_client_secret_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise NotConfigured(
                    f"PEYGIR_OIDC_CLIENT_SECRET_FILE: {self.oidc_client_secret_file} cannot be "
                    f"read ({error}); name the file that holds the secret"
                ) from error
            if not text:
                raise NotConfigured(
                    f"PEYGIR_OIDC_CLIENT_SECRET_FILE: {self.oidc_client_secret_file} is empty; "
                    "put the secret into it"
                )
            return text
        return self.oidc_client_secret.get_secret_value() if self.oidc_client_secret else None
