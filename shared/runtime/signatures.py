"""Signatures of events by their sources: Ed25519 (RFC 8032), with keys from files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.contracts.envelope.headers import Headers
from shared.contracts.envelope.signing import SIGNATURE, NotSignable, signed_bytes

# The library takes ten megabytes, so it is loaded by a process that has keys, and by no other.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_SCHEME: Final = b"ed25519="


class BadSigningKey(Exception):
    """A file that holds no private key of Ed25519; the message names it."""


class Forged(Exception):
    """A record whose signature is missing or is not its source's; the message says which."""


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key (PEM, PKCS #8, no password). Raises BadSigningKey."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise BadSigningKey(f"{path} cannot be read ({type(error).__name__})") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadSigningKey(f"{path} holds no private key in PEM format") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise BadSigningKey(f"{path} is no key of Ed25519; openssl genpkey -algorithm ed25519")
    return key


def public_key(key: Ed25519PrivateKey) -> str:
    """The public key of a private one, as the file of integrators lists it."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
    )

    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def signature(
    key: Ed25519PrivateKey, record_key: bytes | None, headers: Headers, value: bytes | None
) -> tuple[str, bytes]:
    """The header that signs a record. Raises NotSignable."""
    signed = key.sign(signed_bytes(record_key, headers, value))
    return SIGNATURE, _SCHEME + base64.b64encode(signed)


def is_signed(headers: Headers) -> bool:
    """Whether a record has a signature, valid or not."""
    return any(name.lower() == SIGNATURE for name, _ in headers)


def require_signature(
    keys: Iterable[Ed25519PublicKey],
    record_key: bytes | None,
    headers: Headers,
    value: bytes | None,
) -> None:
    """Require that one of these keys signed a record. Raises Forged."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    given = [raw for name, raw in headers if name.lower() == SIGNATURE]
    if len(given) != 1:
        raise Forged(f"it has {len(given)} headers {SIGNATURE}, and needs one")
    try:
        if not given[0].startswith(_SCHEME):
            raise Forged(f"{SIGNATURE} does not begin with {_SCHEME.decode()}")
        signed = base64.b64decode(given[0].removeprefix(_SCHEME), validate=True)
        content = signed_bytes(record_key, headers, value)
    except (binascii.Error, AttributeError) as error:
        raise Forged(f"{SIGNATURE} is no base64") from error
    except NotSignable as error:
        raise Forged(str(error)) from error
    for key in keys:
        try:
            key.verify(signed, content)
        except InvalidSignature:
            continue
        return
    raise Forged(f"{SIGNATURE} is by none of the source's keys, or the event was changed")
