"""How Kafka is reached, and as whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.runtime.addresses import Servers, refused
from shared.runtime.certificates import BadPem, require_certificates, require_key_pair
from shared.runtime.settings.site import SiteSettings

_PORT = 29092

SecurityProtocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism: TypeAlias = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class KafkaSettings(SiteSettings):
    """The settings of every process that speaks to Kafka."""

    kafka_bootstrap_servers: Servers = Field(
        default_factory=lambda known: (f"127.0.0.1:{_PORT + known.get('port_offset', 0)}",),
        description="host:port or [IPv6]:port, several with commas between; any of them will do.",
    )
    kafka_security_protocol: SecurityProtocol = Field(
        "PLAINTEXT", description="TLS (`SSL` in the name) and login (`SASL` in the name)."
    )
    kafka_sasl_mechanism: Mechanism = Field(
        "SCRAM-SHA-512", description="How a process logs in, if the protocol has SASL."
    )
    kafka_username: str | None = Field(None, description="The user in Kafka.")
    kafka_password: SecretStr | None = Field(None, description="The user's password.")
    kafka_password_file: Path | None = Field(
        None, description="A file with the password, read again for each connection."
    )
    kafka_ca_file: Path | None = Field(
        None, description="The certificates (PEM) that vouch for the brokers; else the system's."
    )
    kafka_cert_file: Path | None = Field(
        None, description="This process's own certificate (PEM), for mutual TLS."
    )
    kafka_key_file: Path | None = Field(None, description="The key (PEM) of that certificate.")
    kafka_oauth_token_url: str | None = Field(
        None, description="The provider's token endpoint, for OAUTHBEARER."
    )
    kafka_oauth_client_id: str | None = Field(None, description="The client at the provider.")
    kafka_oauth_client_secret: SecretStr | None = Field(None, description="That client's secret.")
    kafka_oauth_client_secret_file: Path | None = Field(
        None, description="A file with the secret, read again for each token."
    )
    kafka_oauth_ca_file: Path | None = Field(
        None, description="The certificates (PEM) that vouch for the provider; else the system's."
    )

    @property
    def kafka_has_tls(self) -> bool:
        """Whether connections to Kafka are encrypted."""
        return self.kafka_security_protocol in {"SSL", "SASL_SSL"}

    @property
    def kafka_has_sasl(self) -> bool:
        """Whether a process logs in to Kafka with a password or a token."""
        return self.kafka_security_protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    @field_validator("kafka_ca_file", "kafka_oauth_ca_file")
    @classmethod
    def _certificates(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                require_certificates(path)
            except BadPem as error:
                raise refused(str(error)) from error
        return path

    @field_validator("kafka_password_file", "kafka_oauth_client_secret_file")
    @classmethod
    def _secret_file(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                if not path.read_text(encoding="utf-8").strip():
                    raise refused(f"{path} is empty")
            except (OSError, UnicodeDecodeError) as error:
                raise refused(f"{path} cannot be read ({type(error).__name__})") from error
        return path

    @field_validator("kafka_oauth_token_url")
    @classmethod
    def _secured_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise refused("not an address such as https://id.example.org/realms/peygir/…/token")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise refused("a secret that is sent over http:// can be read; use https://")
        return url

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for contradiction in self._contradictions():
            raise refused(contradiction)
        try:
            if self.kafka_cert_file is not None and self.kafka_key_file is not None:
                require_key_pair(self.kafka_cert_file, self.kafka_key_file)
        except BadPem as error:
            raise refused(f"PEYGIR_KAFKA_CERT_FILE, PEYGIR_KAFKA_KEY_FILE: {error}") from error
        return self

    def _contradictions(self) -> Iterator[str]:
        protocol = f"PEYGIR_KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol}"
        secret = self.kafka_password or self.kafka_password_file
        if self.kafka_password and self.kafka_password_file:
            yield "PEYGIR_KAFKA_PASSWORD and PEYGIR_KAFKA_PASSWORD_FILE are both set; keep one"
        if self.kafka_oauth_client_secret and self.kafka_oauth_client_secret_file:
            yield (
                "PEYGIR_KAFKA_OAUTH_CLIENT_SECRET and PEYGIR_KAFKA_OAUTH_CLIENT_SECRET_FILE are "
                "both set; keep one"
            )
        if (self.kafka_cert_file is None) != (self.kafka_key_file is None):
            yield "PEYGIR_KAFKA_CERT_FILE and PEYGIR_KAFKA_KEY_FILE are set together or not at all"
        if not self.kafka_has_tls and (self.kafka_ca_file or self.kafka_cert_file):
            yield f"{protocol} uses no certificates; set it to SSL or SASL_SSL"
        if not self.kafka_has_sasl:
            if secret or self.kafka_username or self.kafka_oauth_client_id:
                yield f"{protocol} uses neither user nor password; set it to SASL_SSL"
            return
        if self.kafka_sasl_mechanism == "PLAIN" and not self.kafka_has_tls:
            yield "PEYGIR_KAFKA_SASL_MECHANISM=PLAIN sends the password as it is; use SASL_SSL"
        if self.kafka_sasl_mechanism == "OAUTHBEARER":
            yield from self._contradictions_of_oauth(bool(secret or self.kafka_username))
        elif not (secret and self.kafka_username):
            yield (
                f"PEYGIR_KAFKA_USERNAME and PEYGIR_KAFKA_PASSWORD_FILE (or PEYGIR_KAFKA_PASSWORD) "
                f"are needed by PEYGIR_KAFKA_SASL_MECHANISM={self.kafka_sasl_mechanism}"
            )

    def _contradictions_of_oauth(self, has_password: bool) -> Iterator[str]:
        secret = self.kafka_oauth_client_secret or self.kafka_oauth_client_secret_file
        if has_password:
            yield "OAUTHBEARER uses no PEYGIR_KAFKA_USERNAME and no PEYGIR_KAFKA_PASSWORD"
        if not (self.kafka_oauth_token_url and self.kafka_oauth_client_id and secret):
            yield (
                "PEYGIR_KAFKA_OAUTH_TOKEN_URL, PEYGIR_KAFKA_OAUTH_CLIENT_ID and "
                "PEYGIR_KAFKA_OAUTH_CLIENT_SECRET_FILE are needed by OAUTHBEARER"
            )
        if not self.kafka_has_tls:
            yield "OAUTHBEARER sends its token as it is; use SASL_SSL"

    def lacks(self) -> Iterator[str]:
        yield from super().lacks()
        if not self.kafka_has_tls:
            yield (
                "PEYGIR_KAFKA_SECURITY_PROTOCOL: SASL_SSL, or SSL with a certificate of this "
                "process's own"
            )
        elif self.kafka_security_protocol == "SSL" and self.kafka_cert_file is None:
            yield (
                "PEYGIR_KAFKA_CERT_FILE and PEYGIR_KAFKA_KEY_FILE: with SSL alone, or use SASL_SSL"
            )
