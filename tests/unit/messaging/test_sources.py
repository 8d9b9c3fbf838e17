"""Nobody passes for another: who is believed, and how each forgery is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.envelope import read
from shared.contracts.envelope.signing import SIGNATURE, NotSignable, signed_bytes
from shared.contracts.events import parse
from shared.messaging.core.sources import FORBIDDEN, SourceRule
from shared.runtime.integrators import BadIntegrators, Integrator, Integrators, read_integrators
from shared.runtime.signatures import Forged, require_signature, signature
from shared.runtime.watched_file import WatchedFile

SCHEDULER = "urn:peygir:scheduler"
KEYS = {name: Ed25519PrivateKey.generate() for name in ("scheduler", "tracker", "other")}


def integrators(**changed: Any) -> Integrators:
    tracker = Integrator(
        "tracker",
        frozenset({"/tracker"}),
        frozenset({"civil"}),
        keys={"1": KEYS["tracker"].public_key()},
    )
    other = Integrator(
        "other",
        frozenset({"/other"}),
        frozenset({"civil", "crisis"}),
        keys={"1": KEYS["other"].public_key()},
    )
    services = {"scheduler": {"1": KEYS["scheduler"].public_key()}}
    return Integrators((replace(tracker, **changed), other), services)


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as it lies in Kafka."""

    headers: Sequence[tuple[str, bytes]]
    value: bytes
    key: bytes | None = b"r-1"
    topic: str = "peygir.resolutions.v1.civil"
    partition: int = 0
    offset: int = 0
    timestamp: int = 0


def event(source: str, deputy: str = "civil", **more: str) -> Sent:
    data = {
        "resolution_id": "r-1",
        "deputy": deputy,
        "title": "تکمیل پل",
        "approved_at": "2026-11-24T10:00:00+03:30",
        "due_on": "2027-02-01",
    }
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": "1",
        "ce_source": source,
        "ce_type": "peygir.ResolutionApproved.v1",
        **more,
    }
    return Sent([(k, v.encode()) for k, v in attributes.items()], json.dumps(data).encode())


def signed(record: Sent, by: str) -> Sent:
    header = signature(KEYS[by], record.key, record.headers, record.value)
    return replace(record, headers=[*record.headers, header])


def verdict(record: Sent, known: Integrators | None = None, *, replayed: bool = False) -> str:
    """Empty if the event is believed, else why it is forbidden."""
    rule = SourceRule(lambda: known or integrators(), {SCHEDULER: "scheduler"})
    found = read(record.headers, record.value)
    refusal = rule.refusal(record, found, parse(found), replayed=replayed)
    if refusal is None:
        return ""
    assert refusal.reason == FORBIDDEN
    return refusal.detail


def test_a_source_that_signed_for_its_deputy_is_believed() -> None:
    assert verdict(signed(event("/tracker"), "tracker")) == ""
    assert verdict(signed(event(SCHEDULER, "crisis"), "scheduler")) == ""


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (event("/tracker"), "0 headers x-signature"),
        (event(SCHEDULER), "0 headers x-signature"),
        (signed(event(SCHEDULER), "tracker"), "by none of the source's keys"),
        (signed(event("/other"), "tracker"), "by none of the source's keys"),
        (signed(event("/tracker", "crisis"), "tracker"), "tracker may not send"),
        (signed(event("/nobody"), "tracker"), "of no known integrator"),
        (signed(event("urn:peygir:reports"), "scheduler"), "of no known integrator"),
    ],
    ids=[
        "unsigned", "unsigned-as-the-scheduler", "as-the-scheduler", "as-another-integrator",
        "for-another-deputy", "as-nobody", "as-a-service-that-approves-nothing",
    ],
)  # fmt: skip
def test_a_forgery_is_forbidden(record: Sent, says: str) -> None:
    assert says in verdict(record)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, key=b"r-2"),
        lambda r: replace(r, value=r.value.replace(b"2027", b"2028")),
        lambda r: replace(r, headers=[("ce_sequence", b"0000000009"), *r.headers]),
        lambda r: replace(r, headers=[(n, b"2" if n == "ce_id" else v) for n, v in r.headers]),
        lambda r: replace(r, headers=[*r.headers, ("CE_id", b"1")]),
        lambda r: replace(r, headers=[*r.headers, (SIGNATURE, b"ed25519=AAAA")]),
    ],
    ids=["key", "data", "another-attribute", "id", "an-attribute-twice", "two-signatures"],
)
def test_a_signed_event_that_was_changed_is_forbidden(change: Any) -> None:
    assert verdict(change(signed(event("/tracker"), "tracker")))


def test_other_headers_may_be_added_on_the_way() -> None:
    sent = signed(event("/tracker"), "tracker")
    assert verdict(replace(sent, headers=[*sent.headers, ("x-gateway", b"\xff")])) == ""


@pytest.mark.parametrize("bad", [b"", b"ed25519=%%%", b"rsa=AAAA", b"ed25519=AAAA", None])
def test_what_is_no_signature_is_forbidden(bad: Any) -> None:
    record = event("/tracker")
    assert verdict(replace(record, headers=[*record.headers, (SIGNATURE, bad)]))


# -- on the way back --------------------------------------------------------------------------


def test_what_an_operator_has_mended_needs_no_signature_on_the_way_back() -> None:
    mended = event("/tracker", mended_from="peygir.resolutions.v1.civil/0/7")
    assert verdict(mended, replayed=True) == ""
    assert verdict(mended, replayed=False) != "", "anybody may write that header elsewhere"


def test_what_was_not_mended_is_as_forbidden_as_before() -> None:
    assert verdict(event("/tracker"), replayed=True) != ""
    assert verdict(signed(event("/tracker"), "tracker"), replayed=True) == ""


def test_a_mended_event_is_still_of_its_source_and_for_its_deputies() -> None:
    mended = event("/tracker", "crisis", mended_from="peygir.resolutions.v1.civil/0/7")
    assert "may not send" in verdict(mended, replayed=True)


# -- keys -------------------------------------------------------------------------------------


def test_during_a_rotation_both_keys_count_and_then_only_the_new_one() -> None:
    old, new = KEYS["tracker"].public_key(), KEYS["other"].public_key()
    record = signed(event("/tracker"), "tracker")
    assert verdict(record, integrators(keys={"1": old, "2": new})) == ""
    assert verdict(record, integrators(keys={"2": new})) != ""


def test_a_file_of_integrators_is_taken_up_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "integrators.toml"
    path.write_text('[[integrators]]\nname = "a"\nsources = ["/a"]\n')
    file = WatchedFile(path, lambda p: read_integrators(p, ("civil",)), BadIntegrators)
    assert file.content().named("a")
    path.write_text("[[integrators")
    assert file.content().named("a"), "a broken file changes nothing"
    path.write_text('[[integrators]]\nname = "bb"\nsources = ["/b"]\n')
    assert file.content().named("bb")


# -- laws -------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20)
names = st.text("abcdefgh", min_size=1, max_size=8).map("ce_{}".format)
attributes = st.dictionaries(names, texts.map(str.encode), max_size=5)
records = st.tuples(st.none() | st.binary(max_size=20), attributes, st.binary(max_size=50))
Parts = tuple[bytes | None, Mapping[str, bytes], bytes]


@given(records, records)
def test_two_records_never_share_what_is_signed(one: Parts, other: Parts) -> None:
    same = (one[0] or b"", one[1], one[2]) == (other[0] or b"", other[1], other[2])
    first, second = (signed_bytes(k, list(h.items()), v) for k, h, v in (one, other))
    assert (first == second) == same


@given(records, st.randoms(use_true_random=False))
def test_the_order_of_headers_does_not_count(record: Parts, random: Any) -> None:
    key, headers, value = record
    shuffled = list(headers.items())
    random.shuffle(shuffled)
    assert signed_bytes(key, shuffled, value) == signed_bytes(key, list(headers.items()), value)


def test_what_could_be_read_in_two_ways_cannot_be_signed() -> None:
    for headers in ([("ce_a", b"1\nce_b 2")], [("ce_a", b"1"), ("CE_A", b"1")]):
        with pytest.raises(NotSignable):
            signed_bytes(b"", headers, b"")


def test_the_bytes_are_those_of_the_documentation() -> None:
    """Another language's client is written against this example."""
    headers = [("ce_id", b"1"), ("content-type", b"application/json"), ("x", b"y")]
    assert signed_bytes(b"my-1", headers, b"{}").decode() == (
        "peygir-event-1\n"
        "key d8747231f142224d3f31e503553a1e38eb5f073c62be5dc8b5dc97350401a7d7\n"
        "value 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n"
        "ce_id 1\n"
        "content-type application/json\n"
    )
    header, raw = signature(KEYS["tracker"], b"my-1", headers, b"{}")
    assert header == "x-signature"
    assert len(base64.b64decode(raw.removeprefix(b"ed25519="))) == 64
    with pytest.raises(Forged):
        require_signature([KEYS["other"].public_key()], b"my-1", [*headers, (header, raw)], b"{}")
