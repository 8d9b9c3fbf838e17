"""How MongoDB is reached."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from shared.runtime.addresses import connection_string
from shared.runtime.settings.site import SiteSettings

_PORT = 27117


class MongoSettings(SiteSettings):
    """The settings of every process that speaks to MongoDB."""

    mongodb_uri: SecretStr = Field(
        default_factory=lambda known: SecretStr(
            f"mongodb://127.0.0.1:{_PORT + known.get('port_offset', 0)}/?replicaSet=peygir"
        ),
        description="Connection string of a replica set; may hold a password.",
    )

    @field_validator("mongodb_uri")
    @classmethod
    def _connection_string(cls, uri: SecretStr) -> SecretStr:
        connection_string(uri.get_secret_value())
        return uri
