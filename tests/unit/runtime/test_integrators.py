"""The file of integrators: what it says, and what is wrong with one that cannot be used."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.contracts.topics import Topics
from shared.runtime.integrators import BadIntegrators, read_integrators, topics_to_read

DEPUTIES = ("civil", "crisis")


def public(key: PrivateKeyTypes) -> str:
    """A public key as the file wants it."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def written(folder: Path, text: str) -> Path:
    path = folder / "integrators.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_integrator_has_sources_deputies_topics_and_keys(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"""
        [[integrators]]
        name = "tracker"
        sources = ["/tracker", "urn:tracker"]
        deputies = ["civil"]
        reads = ["sessions", "followups.civil"]
        keys = {{ "2026-1" = "{public(ed25519.Ed25519PrivateKey.generate())}" }}

        [services.scheduler]
        keys = {{ "s1" = "{public(ed25519.Ed25519PrivateKey.generate())}" }}
        """,
    )
    found = read_integrators(path, DEPUTIES)
    (tracker,) = found.all
    assert (tracker.name, tracker.user) == ("tracker", "integrator-tracker")
    assert tracker.deputies == {"civil"}
    assert list(tracker.keys) == ["2026-1"]
    assert list(found.services["scheduler"]) == ["s1"]
    assert found.of_source("urn:tracker") is tracker
    assert found.of_source("/other") is None
    assert found.named("tracker") is tracker
    assert list(topics_to_read(tracker, Topics(DEPUTIES, "a-"))) == [
        "a-peygir.followups.v1.civil",
        "a-peygir.sessions.v1",
    ]


ONE = '[[integrators]]\nname = "x"\nsources = ["/x"]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("integrators = 3", r"write each integrator as \[\[integrators\]\]"),
        ("[[integrators]]", "integrator 1 needs a name"),
        ('[[integrators]]\nname = "A b"', "integrator 1 needs a name"),
        (f'{ONE}deputy = "civil"', "x: deputy is no field"),
        (f'{ONE}deputies = ["north"]', "x: north is no deputy"),
        (f'{ONE}deputies = "civil"', "x: deputies is a list of texts"),
        (f'{ONE}reads = ["everything"]', "x: everything is nothing to read"),
        ('[[integrators]]\nname = "x"\ndeputies = ["civil"]', "x: sources is empty"),
        (
            '[[integrators]]\nname = "x"\nsources = ["urn:peygir:scheduler"]',
            "'urn:peygir:scheduler' is not an integrator's",
        ),
        (ONE + ONE, "two integrators have the name 'x'"),
        (ONE + ONE.replace('"x"', '"y"'), "two integrators have the source '/x'"),
        (f'{ONE}keys = {{ a = "AAAA" }}', "the key a is no public key in base64"),
        ("[services.board2]\nkeys = {}", "board2 is no service"),
        ("[more]", "more: unknown"),
        ("[[integrators]", "is no TOML"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(BadIntegrators, match=says):
        read_integrators(written(tmp_path, text), DEPUTIES)


def test_keys_are_of_ed25519(tmp_path: Path) -> None:
    other = public(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(BadIntegrators, match="is not of Ed25519"):
        read_integrators(written(tmp_path, f'{ONE}keys = {{ a = "{other}" }}'), DEPUTIES)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadIntegrators, match="cannot be read"):
        read_integrators(tmp_path / "none.toml", DEPUTIES)
