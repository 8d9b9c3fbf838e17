"""How MongoDB is reached, and as whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from shared.runtime.addresses import connection_string, refused
from shared.runtime.settings.site import SiteSettings

_PORT = 27117
_UNCHECKED: Final = ("tlsInsecure", "tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames")
_X509: Final = "MONGODB-X509"  # the client's certificate says who it is


class MongoSettings(SiteSettings):
    """The settings of every process that speaks to MongoDB."""

    mongodb_uri: SecretStr = Field(
        default_factory=lambda known: SecretStr(
            f"mongodb://127.0.0.1:{_PORT + known.get('port_offset', 0)}/?replicaSet=peygir"
        ),
        description="Connection string of a replica set; may hold a password.",
    )
    mongodb_username: str | None = Field(None, description="The user, if the URI names none.")
    mongodb_password: SecretStr | None = Field(None, description="The password of that user.")
    mongodb_password_file: Path | None = Field(
        None, description="A file that holds the password; it is read when a process starts."
    )

    @field_validator("mongodb_uri")
    @classmethod
    def _connection_string(cls, uri: SecretStr, info: ValidationInfo) -> SecretStr:
        options = connection_string(uri.get_secret_value())
        # The driver adds to tlsInsecure what it means.
        unchecked = next((name for name in _UNCHECKED if options.get(name.lower())), None)
        if unchecked is not None and info.data.get("env") == "production":
            raise refused(
                f"{unchecked}: with this, anybody can pass for MongoDB; remove it "
                "and name the signing authority in tlsCAFile"
            )
        return uri

    @field_validator("mongodb_username")
    @classmethod
    def _one_user(cls, user: str | None, info: ValidationInfo) -> str | None:
        if user is not None and _user_in(info.data.get("mongodb_uri")):
            raise refused("PEYGIR_MONGODB_URI names a user too; keep one of them")
        return user

    @field_validator("mongodb_password")
    @classmethod
    def _of_a_user(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if password is not None and info.data.get("mongodb_username", "") is None:
            raise refused("is of nobody: set PEYGIR_MONGODB_USERNAME")
        return password

    @field_validator("mongodb_password_file")
    @classmethod
    def _only_password(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is None:
            return None
        if info.data.get("mongodb_password") is not None:
            raise refused("PEYGIR_MONGODB_PASSWORD is set too; keep one of them")
        if info.data.get("mongodb_username", "") is None:
            raise refused("is of nobody: set PEYGIR_MONGODB_USERNAME")
        _read(file)
        return file

    def mongodb_address(self) -> str:
        """The connection string with user and password; secret. Reads the file of the password.

        Raises OSError if that cannot be read any more.
        """
        uri = self.mongodb_uri.get_secret_value()
        if self.mongodb_username is None:
            return uri
        scheme, _, rest = uri.partition("://")
        named = quote(self.mongodb_username, safe="")
        if (password := self._password()) is not None:
            named += f":{quote(password, safe='')}"
        return f"{scheme}://{named}@{rest}"

    @property
    def names_mongodb_user(self) -> bool:
        """Whether this process logs in to MongoDB."""
        options = connection_string(self.mongodb_uri.get_secret_value())
        named = self.mongodb_username is not None or _user_in(self.mongodb_uri)
        return named or options.get("authmechanism") == _X509

    def _password(self) -> str | None:
        if self.mongodb_password_file is not None:
            return self.mongodb_password_file.read_text(encoding="utf-8").strip()
        return None if self.mongodb_password is None else self.mongodb_password.get_secret_value()

    def lacks(self) -> Iterator[str]:
        yield from super().lacks()
        uri = self.mongodb_uri.get_secret_value()
        options = connection_string(uri)
        if not options.get("tls", uri.startswith("mongodb+srv://")):
            yield "PEYGIR_MONGODB_URI: tls=true and tlsCAFile=…, so that nobody listens in between"
        if options.get("authmechanism") == _X509:
            return
        if self.mongodb_username is None:
            if not _user_in(self.mongodb_uri):
                yield "PEYGIR_MONGODB_USERNAME: this process's own user"
                yield "PEYGIR_MONGODB_PASSWORD (or _PASSWORD_FILE): its password"
        elif self._password() is None:
            yield "PEYGIR_MONGODB_PASSWORD (or _PASSWORD_FILE): the password of its user"


def _user_in(uri: Any) -> bool:
    """Whether a connection string names a user; one that was refused names none."""
    if not isinstance(uri, SecretStr):
        return False
    _, _, rest = uri.get_secret_value().partition("://")
    return "@" in rest.partition("/")[0]


def _read(file: Path) -> str:
    """The text of a file with a password. Raises PydanticCustomError."""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise refused(f"{file} cannot be read ({type(error).__name__})") from None
    if not text:
        raise refused(f"{file} is empty")
    return text
