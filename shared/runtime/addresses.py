"""Addresses of Kafka and MongoDB: which are valid, and which options break the delivery promise."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri, split_options

_NAME = re.compile(r"[\w.-]+")
_PORT = re.compile(r"[0-9]{1,5}")
# One host without a port, which DNS resolves on connection (DNS Seedlist Discovery).
_SRV = re.compile(r"mongodb\+srv://([^\s/?@]+@)?[^\s/?@,:]+([/?]\S*)?")

# Options of a connection string: the value that they must have if they are given, and why. The
# services set most of these with each read and write, so another value would be a false promise.
_REQUIRED: Mapping[str, tuple[str | bool, str]] = {
    "w": ("majority", "a write that no majority has is lost when the primary changes"),
    "journal": (True, "a write that is not in a journal is lost when members lose power"),
    "readPreference": ("primary", "other members lag behind what was acknowledged"),
    "readConcernLevel": ("majority", "a weaker one reads what may be rolled back"),
    "retryWrites": (True, "each change of the primary would fail the writes in progress"),
    "directConnection": (False, "only one member would be used, and no other if it fails"),
}

_FILES = ("tlsCAFile", "tlsCertificateKeyFile", "tlsCRLFile")


def refused(message: str) -> PydanticCustomError:
    """An error of a setting whose message is shown unchanged."""
    return PydanticCustomError("refused", "{message}", {"message": message})


def servers(value: Any) -> Any:
    """Split `kafka-0:9092, kafka-1:9092` into its two addresses.

    Each is a `host:port` or `[IPv6]:port`. Raises PydanticCustomError.
    """
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        return value  # pydantic reports what is wrong with it
    addresses = tuple(one.strip() for one in value)
    endpoints = [_endpoint(address) for address in addresses]
    for n, endpoint in enumerate(endpoints):
        if endpoint in endpoints[:n]:
            raise refused(f"{addresses[n]!r} is listed twice")
    return addresses


Servers: TypeAlias = Annotated[tuple[str, ...], NoDecode, BeforeValidator(servers)]


def connection_string(text: str) -> Mapping[str, Any]:
    """Refuse a text that is not a connection string of MongoDB, or weakens the delivery promise.

    Returns its options, their names in lower case. Connects to nothing, and reads the files that
    options name. Raises PydanticCustomError, whose message repeats nothing secret.
    """
    if text.startswith("mongodb+srv://"):
        if not _SRV.fullmatch(text):
            raise refused("a mongodb+srv:// connection string names one host and no port")
        _, _, written = text.partition("?")
        try:
            options = split_options(written, warn=False) if written else {}
        except OSError as error:
            raise _unreadable(error) from None
        except (PyMongoError, ValueError):
            raise refused(
                "the options of this connection string are not the driver's: a name or a value"
            ) from None
    elif text.startswith("mongodb://"):
        try:
            options = parse_uri(text, warn=False)["options"]
        except OSError as error:
            raise _unreadable(error) from None
        except (PyMongoError, ValueError):
            # The driver's own message may repeat a part of the password.
            raise refused(
                "not a connection string: mongodb://[user:password@]host[:port],…/?options, "
                "with user and password percent-encoded"
            ) from None
    else:
        raise refused("a connection string starts with mongodb:// or mongodb+srv://")
    given = {name.lower(): value for name, value in options.items()}
    _check(given)
    return given


def _unreadable(error: OSError) -> PydanticCustomError:
    """For a file that an option names; the driver names the option in lower case."""
    named = next((name for name in _FILES if name.lower() in str(error)), "an option")
    return refused(f"{named} in this connection string names a file that cannot be read")


def _endpoint(address: str) -> tuple[str, int]:
    """Host and port. An error message does not repeat what looks like a password."""
    if not address:
        raise refused("an address is empty: remove a comma")
    if "://" in address:
        raise refused("write host:port, without a scheme such as kafka:// before it")
    if "@" in address:
        raise refused("write host:port, without user and password before it")
    host, colon, port = address.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise refused(f"{_short(address)} has no port from 1 to 65535")
    if host.startswith("[") and host.endswith("]"):
        version6 = _ipv6(host[1:-1])
        if version6 is None:
            raise refused(f"{_short(address)} has no IPv6 address between its brackets")
        return version6, int(port)
    if ":" in host:
        if _ipv6(host) or _ipv6(address):
            raise refused(f"{_short(address)}: an IPv6 address needs brackets: [::1]:9092")
        raise refused(f"{_short(address)} has two ports: separate addresses by commas")
    if not _NAME.fullmatch(host):
        raise refused(f"{_short(address)} is not host:port")
    return host.lower(), int(port)


def _ipv6(text: str) -> str | None:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        return None


def _short(address: str) -> str:
    return repr(address if len(address) <= 80 else f"{address[:80]}…")


def _check(given: Mapping[str, Any]) -> None:
    """Compare options with the required ones; their names are in lower case, and the last wins."""
    for name, (required, why) in _REQUIRED.items():
        if given.get(name.lower(), required) != required:
            raise refused(f"{name} must be {str(required).lower()}: {why}")
