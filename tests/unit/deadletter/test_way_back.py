"""A dead letter goes back as it came, and keeps its first place when it fails again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from aiokafka import TopicPartition
from aiokafka.structs import RecordMetadata
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.topics import Topics
from shared.messaging.core.model import Origin, Refusal
from shared.messaging.inbound.deadletters import (
    NOTES,
    DeadLetter,
    DeadLetters,
    attempts_of,
    first_origin,
)
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.connection import plain
from shared.messaging.kafka.publisher import Publisher, SendResult
from shared.runtime.clocks import SystemMachineClock
from tests.unit.deadletter.builders import BINARY, TOPIC, Kept
from tools.deadletter.dead_letters import parse_dead_letter
from tools.deadletter.replayer import replay_record
from tools.deadletter.triage import MessageContent, Triage, TriageStatus

TOPICS = Topics(("civil",))
REPLAY = TOPICS.replay("followups")
NUMBERS = st.integers().map(lambda number: str(number).encode())
FOREIGN = (("x-error", b"theirs"), ("x", b"\xfe"), ("x-attempts", b"9"))


class Outbox(Publisher):
    """Keeps what would go to Kafka."""

    def __init__(self) -> None:
        super().__init__(plain("127.0.0.1:1"), client_id="test")
        self.sent: list[OutgoingRecord] = []

    async def send(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        self.sent += records
        return [
            RecordMetadata("", 0, TopicPartition("", 0), n, 0, 0, 0) for n in range(len(records))
        ]


async def given_up(record: Kept, attempts: int = 1) -> Kept:
    """The dead letter that a service writes of a record."""
    outbox = Outbox()
    letters = DeadLetters(
        service="followups",
        source="urn:peygir:followups",
        topics=TOPICS,
        publisher=outbox,
        clock=SystemMachineClock(),
    )
    refusal = Refusal("invalid", "title: Field required")
    assert await letters.send([DeadLetter(record, refusal, attempts)]) == [None]
    (letter,) = outbox.sent
    assert letter.topic == TOPICS.deadletter("followups")
    return Kept(letter.headers, letter.value, letter.topic, key=letter.key, offset=31)


async def test_a_letter_is_what_was_sent_and_its_notes() -> None:
    sent = Kept((*BINARY, *FOREIGN), b"\xff", TOPIC, 2, 17)
    letter = parse_dead_letter(await given_up(sent, attempts=2))
    assert (letter.headers, letter.value, letter.key) == (sent.headers, b"\xff", b"r-1")
    assert (letter.notes.origin, letter.notes.attempts) == (Origin(TOPIC, 2, 17), 2)
    assert (letter.notes.reason, letter.notes.error) == ("invalid", "title: Field required")
    assert abs((datetime.now(UTC) - letter.notes.failed_at).total_seconds()) < 60


async def test_refused_again_it_keeps_its_first_origin_and_counts_one_more_attempt() -> None:
    first = parse_dead_letter(await given_up(Kept((*BINARY, ("x", b"\xfe")), b"{}", TOPIC, 2, 17)))
    triage = Triage(first.notes.origin, 1, TriageStatus.WAITING, replay_id="replay-1")
    back = replay_record(REPLAY, first, triage)
    assert (back.topic, back.key, back.value) == (REPLAY, b"r-1", b"{}")
    assert tuple(back.headers[:5]) == (*BINARY, ("x", b"\xfe"))

    again = parse_dead_letter(await given_up(Kept(back.headers, back.value, REPLAY, 0, 5)))
    assert again.notes.origin == Origin(TOPIC, 2, 17)
    assert (again.notes.attempts, again.notes.replay_id) == (2, "replay-1")
    assert again.headers == first.headers
    assert triage.with_notes(again.notes).status is TriageStatus.REFUSED


async def test_elsewhere_the_notes_of_a_client_are_not_believed() -> None:
    spoofed = (*BINARY, ("x-origin-topic", b"t"), ("x-origin-partition", b"0"),
               ("x-origin-offset", b"1"), ("x-attempts", b"9"))  # fmt: skip
    letter = parse_dead_letter(await given_up(Kept(spoofed, b"{}", TOPIC, 2, 17)))
    assert (letter.notes.origin, letter.notes.attempts) == (Origin(TOPIC, 2, 17), 1)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(NOTES)), st.none() | st.binary() | NUMBERS)),
    st.none() | st.binary(),
)
def test_a_strangers_record_on_the_way_back_is_read_whatever_its_notes(
    notes: list[tuple[str, bytes]], replay_id: bytes
) -> None:
    """Anybody may write to the topic of replays, headers without a value among them."""
    record = Kept((*BINARY, *notes, ("replay_id", replay_id)), b"{}", REPLAY, 1, 5)
    assert first_origin(record).offset >= 0
    assert attempts_of(record.headers) >= 0


async def test_an_original_does_not_pass_for_a_mended_one() -> None:
    """A sender may have named itself mended, to be believed without a signature."""
    spoofed = (*BINARY, ("x-signature", b"of its sender"), ("Mended_From", b"t/0/1"))
    letter = parse_dead_letter(await given_up(Kept(spoofed, b"{}", TOPIC, 2, 17)))
    triage = Triage(letter.notes.origin, 1, TriageStatus.WAITING, replay_id="replay-1")
    names = [name.lower() for name, _ in replay_record(REPLAY, letter, triage).headers]
    assert "x-signature" in names
    assert "mended_from" not in names


async def test_once_mended_the_original_never_goes() -> None:
    letter = parse_dead_letter(await given_up(Kept(BINARY, b"{}", TOPIC, 2, 17)))
    mended = MessageContent(b'{"title": "x"}', (("ce_id", b"new"), ("mended_by", b"z")))
    triage = Triage(letter.notes.origin, 2, TriageStatus.WAITING, mended, "replay-2")
    sent = replay_record(REPLAY, letter, triage)
    assert sent.value == mended.value
    assert dict(sent.headers)["ce_id"] == b"new"
    assert dict(sent.headers)["x-origin-offset"] == b"17"
