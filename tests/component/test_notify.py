"""The service `notify` on the real Kafka and MongoDB, with mail servers that keep what they get."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from services.notify.jobs import BATCH
from shared.contracts.topics import Topics
from tests.component.harness import (
    Producer,
    Service,
    binary,
    create_topics,
    eventually,
    records,
)
from tests.unit.notify.mailserver import OK, Server
from tests.unit.notify.oddserver import HANG_UP, OddServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


def approval(resolution_id: str, deputy: str = "civil", **changes: Any) -> dict[str, Any]:
    """The data of an approval."""
    return {
        "resolution_id": resolution_id,
        "deputy": deputy,
        "title": "تکمیل پل روستای سرآسیاب",
        "approved_at": "2024-03-11T13:30:00+03:30",
        "due_on": "2024-06-20",
        **changes,
    }


class Mailbox:
    """What the mail catcher has of one domain; other tests' mails lie in the same folder."""

    def __init__(self, cluster: Cluster, domain: str) -> None:
        self._folder = cluster.data("mail")
        self.domain = domain
        self.settings = {
            "PEYGIR_SMTP_PORT": str(cluster.layout.ports.mail),
            "PEYGIR_MAIL_DOMAIN": domain,
        }

    def mails(self) -> list[EmailMessage]:
        read = (
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in sorted(self._folder.glob("*.eml"))
        )
        return [mail for mail in read if mail["Message-ID"].endswith(f"@{self.domain}>")]

    def of(self, notice_ids: Iterable[str]) -> Counter[str]:
        """How often each of these notices was taken."""
        wanted = {f"<{id_}@{self.domain}>": id_ for id_ in notice_ids}
        found = (wanted.get(mail["Message-ID"]) for mail in self.mails())
        return Counter(id_ for id_ in found if id_ is not None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mailbox(cluster: Cluster, namespace: str) -> AsyncIterator[Mailbox]:
    await asyncio.to_thread(cluster.start, "mail")
    yield Mailbox(cluster, f"{namespace}.example")
    await asyncio.to_thread(cluster.stop, "mail")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def notify(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path, mailbox: Mailbox
) -> AsyncIterator[Service]:
    async with Service("notify", cluster, namespace, test_folder, **mailbox.settings) as service:
        yield service


async def notices_of(
    service: Service, subject: str, state: str = "delivered", count: int = 1
) -> list[dict[str, Any]]:
    """Wait for the notices of a subject."""

    async def found() -> list[dict[str, Any]]:
        items = await service.items("/v1/notices", subject=subject, state=state)
        return items if len(items) == count else []

    return await eventually(found, 30, f"{count} {state} notices of {subject}")


async def send_many(producer: Producer, topics: Topics, prefix: str, count: int) -> list[str]:
    ids = [f"{prefix}-{n:03}" for n in range(count)]
    topic = topics.resolutions("civil")
    sending = (
        producer.event(topic, "ResolutionApproved", approval(id_), key=id_, id_=id_) for id_ in ids
    )
    await asyncio.gather(*sending)
    return ids


async def all_of(
    service: Service, prefix: str, count: int, seconds: float = 60, **filters: str
) -> list[str]:
    """Wait for that many notices whose subjects begin so; return their ids."""

    async def found() -> list[str]:
        items = await service.items("/v1/notices", template="resolution-approved", **filters)
        ids = [item["notice_id"] for item in items if item["subject"].startswith(f"{prefix}-")]
        return ids if len(ids) == count else []

    return await eventually(found, seconds, f"{count} notices of {prefix}")


async def test_people_are_told_in_persian_of_all_four_matters(
    cluster: Cluster, notify: Service, producer: Producer, topics: Topics, mailbox: Mailbox
) -> None:
    session = {
        "session_id": "1402-IR-09",
        "kind": "provincial",
        "provinces": ["IR-09"],
        "title": "نشست تخصصی استان خراسان رضوی",
        "starts_at": "2024-03-11T05:30:00Z",
        "ends_at": "2024-03-11T10:00:00Z",
        "mode": "in-person",
        "report_due_at": "2024-03-08T05:30:00Z",
    }
    await producer.event(topics.sessions, "SessionScheduled", session, key="1402-IR-09", id_="1")
    overdue = {"session_id": "1402-IR-09", "province": "IR-09", "due_at": "2024-03-08T05:30:00Z"}
    await producer.event(topics.reports, "ReportOverdue", overdue, key="1402-IR-09", id_="2")
    await producer.event(
        topics.resolutions("civil"), "ResolutionApproved", approval("r1"), key="r1", id_="3"
    )
    late = {
        "followup_id": "f1",
        "resolution_id": "r1",
        "deputy": "civil",
        "title": "تکمیل پل روستای سرآسیاب",
        "due_on": "2024-06-20",
        "original_due_on": "2024-06-20",
        "days_overdue": 12,
        "level": 3,
        "progress": 40,
    }
    await producer.event(topics.followups("civil"), "FollowupOverdue", late, key="r1", id_="4")
    told = [
        *await notices_of(notify, "1402-IR-09", count=2),
        *await notices_of(notify, "r1"),
        *await notices_of(notify, "f1"),
    ]
    assert {(item["template"], item["recipient_role"]) for item in told} == {
        ("session-scheduled", "province:IR-09"),
        ("report-overdue", "province:IR-09"),
        ("resolution-approved", "deputy:civil"),
        ("followup-overdue", "minister-office"),
    }
    mails = {(mail["To"], mail["Subject"]): mail for mail in mailbox.mails()}
    assert mails.keys() == {
        (
            f"province.ir-09@{mailbox.domain}",
            "دعوت به نشست تخصصی استان خراسان رضوی؛ دوشنبه ۲۱ اسفند ۱۴۰۲",
        ),
        (f"province.ir-09@{mailbox.domain}", "گزارش استان خراسان رضوی در مهلت مقرر نرسیده است"),
        (f"deputy.civil@{mailbox.domain}", "ابلاغ مصوبه: تکمیل پل روستای سرآسیاب"),
        (
            f"minister-office@{mailbox.domain}",
            "ارجاع به وزیر؛ پیگیری معوق: تکمیل پل روستای سرآسیاب",
        ),
    }
    for mail in mails.values():
        assert mail["Delivered-To"] == mail["To"]
        html = mail.get_body(("html",))
        assert html is not None
        assert '<html lang="fa" dir="rtl">' in html.get_content()
    text = mails[f"deputy.civil@{mailbox.domain}", "ابلاغ مصوبه: تکمیل پل روستای سرآسیاب"].get_body(
        ("plain",)
    )
    assert text is not None
    assert "مهلت انجام: \u2068پنجشنبه ۳۱ خرداد ۱۴۰۳\u2069" in text.get_content()

    async def announced() -> list[Any]:
        found = await records(cluster, topics.notices)
        return found if len(found) == len(told) else []

    for record in await eventually(announced, 20, "four events"):
        head, data = dict(record.headers), json.loads(record.value)
        assert head["ce_type"] == b"peygir.NoticeDelivered.v1"
        assert head["ce_source"] == b"urn:peygir:notify"
        assert head["ce_sequence"] == b"0000000001"
        assert record.key.decode() == data["notice_id"]
        (item,) = [item for item in told if item["notice_id"] == data["notice_id"]]
        assert data.items() - {("at", data["at"])} <= item.items()
    one = await notify.http.get(f"/v1/notices/{told[0]['notice_id']}")
    assert one.json() == told[0]


async def test_the_same_fact_told_twice_is_one_mail(
    notify: Service, producer: Producer, topics: Topics, mailbox: Mailbox
) -> None:
    for id_ in ("1", "1", "2"):
        await producer.event(
            topics.resolutions("civil"),
            "ResolutionApproved",
            approval("twice"),
            key="twice",
            id_=id_,
        )
    (item,) = await notices_of(notify, "twice")
    await producer.event(
        topics.resolutions("civil"), "ResolutionApproved", approval("twice"), key="twice", id_="3"
    )
    await producer.event(
        topics.resolutions("civil"), "ResolutionApproved", approval("behind"), key="twice", id_="4"
    )
    await notices_of(notify, "behind")
    assert mailbox.of([item["notice_id"]]) == {item["notice_id"]: 1}
    (same,) = await notices_of(notify, "twice")
    assert same == item


async def test_what_cannot_be_told_is_kept_with_its_reason(
    cluster: Cluster, notify: Service, producer: Producer, topics: Topics
) -> None:
    topic = topics.resolutions("civil")
    poison: dict[str, tuple[bytes | None, str]] = {
        "null": (None, "null-value"),
        "broken": (b'{"resolution_id": ', "broken-json"),
        "invalid": (json.dumps(approval("x", province="IR-99")).encode(), "invalid"),
        "wrong": (json.dumps(approval("x", deputy="social")).encode(), "wrong-deputy"),
        "early": (json.dumps(approval("x", due_on="2024-03-10")).encode(), "due-before-approval"),
    }
    for name, (value, _) in poison.items():
        await producer.send(topic, value, key=name, headers=binary("ResolutionApproved", name))
    await producer.event(topic, "ResolutionApproved", approval("good"), key="good", id_="g")
    await notices_of(notify, "good")

    async def letters() -> list[Any]:
        found = await records(cluster, topics.deadletter("notify"))
        return found if len(found) == len(poison) else []

    for letter in await eventually(letters, 20, "the dead letters"):
        value, reason = poison[letter.key.decode()]
        assert letter.value == value
        assert dict(letter.headers)["x-error-type"].decode() == reason
    assert await notify.items("/v1/notices", subject="x") == []


async def test_all_waits_for_a_mail_server_that_is_down(
    cluster: Cluster, notify: Service, producer: Producer, topics: Topics, mailbox: Mailbox
) -> None:
    cluster.kill("mail")
    await send_many(producer, topics, "down", 30)
    ids = await all_of(notify, "down", 30, state="pending")

    async def complained() -> bool:
        return "Unreachable" in notify.log

    await eventually(complained, 20, "a word in the log")
    assert (await notify.readyz())[0] == 200
    assert notify.stop()
    await notify.start()
    assert mailbox.of(ids) == {}
    await asyncio.to_thread(cluster.start, "mail")
    assert sorted(await all_of(notify, "down", 30, state="delivered")) == sorted(ids)
    assert mailbox.of(ids) == dict.fromkeys(ids, 1)


async def test_two_processes_send_each_mail_once(
    cluster: Cluster,
    namespace: str,
    test_folder: Path,
    notify: Service,
    producer: Producer,
    topics: Topics,
    mailbox: Mailbox,
) -> None:
    async with Service("notify", cluster, namespace, test_folder, **mailbox.settings) as second:
        await send_many(producer, topics, "both", 100)
        ids = await all_of(second, "both", 100, state="delivered")
        assert mailbox.of(ids) == dict.fromkeys(ids, 1)
        holders = [await _holds(service) for service in (notify, second)]
        assert sorted(holders) == [False, True]
    assert sorted(await all_of(notify, "both", 100, state="delivered")) == sorted(ids)


async def test_a_killed_process_loses_nothing_and_doubles_one_batch_at_most(
    cluster: Cluster, notify: Service, producer: Producer, topics: Topics, mailbox: Mailbox
) -> None:
    await send_many(producer, topics, "killed", 200)
    ids = await all_of(notify, "killed", 200)

    async def midway() -> bool:
        return mailbox.of(ids).total() >= BATCH

    await eventually(midway, 30, "mails under way")
    notify.kill()
    await notify.died()
    await notify.start()
    assert sorted(await all_of(notify, "killed", 200, state="delivered")) == sorted(ids)
    taken = mailbox.of(ids)
    assert taken.keys() == set(ids)
    assert set(taken.values()) <= {1, 2}
    assert taken.total() <= len(ids) + BATCH


async def test_refused_for_ever_is_told_and_refused_for_now_waits(
    cluster: Cluster, namespace: str, test_folder: Path, producer: Producer
) -> None:
    namespace = f"{namespace}r"
    topics = create_topics(cluster, namespace)
    async with Server() as server:
        server.answers_to = {
            "deputy.crisis@peygir.example": "550 5.1.1 no such mailbox",
            "deputy.social@peygir.example": "451 4.7.1 come back later",
        }
        async with Service(
            "notify",
            cluster,
            namespace,
            test_folder,
            PEYGIR_SMTP_PORT=str(server.port),
            PEYGIR_MAIL_RETRY_SECONDS="0.2",
        ) as service:
            for deputy in ("crisis", "social", "civil"):
                topic, data = topics.resolutions(deputy), approval(deputy, deputy)
                await producer.event(topic, "ResolutionApproved", data, key=deputy, id_=deputy)
            (failed,) = await notices_of(service, "crisis", "failed")
            assert (failed["reason"], failed["tries"]) == ("550 5.1.1 no such mailbox", 1)
            await notices_of(service, "civil")

            async def tried() -> bool:
                (item,) = await notices_of(service, "social", "pending")
                assert item["version"] == 0
                return bool(item["tries"] >= 2 and item["reason"] == "451 4.7.1 come back later")

            await eventually(tried, 20, "another try")
            server.answers_to["deputy.social@peygir.example"] = OK
            (taken,) = await notices_of(service, "social")
            assert (taken["version"], taken["reason"]) == (1, None)

            async def events() -> dict[str, Any]:
                found = [json.loads(r.value) for r in await records(cluster, topics.notices)]
                return {e["subject"]: e for e in found} if len(found) == 3 else {}

            told = await eventually(events, 20, "three events")
            assert told["crisis"]["reason"] == "550 5.1.1 no such mailbox"
            assert "reason" not in told["social"]
    assert [to for _, (to,), _ in server.taken] == [
        *("deputy.civil@peygir.example", "deputy.social@peygir.example"),
    ]


async def test_a_mail_at_which_the_server_hangs_up_holds_back_nobody_elses(
    cluster: Cluster, namespace: str, test_folder: Path, producer: Producer
) -> None:
    namespace = f"{namespace}h"
    topics = create_topics(cluster, namespace)
    civil = "deputy.civil@peygir.example"
    async with OddServer() as server:
        server.answers = {("DOT", civil): HANG_UP}
        async with Service(
            "notify",
            cluster,
            namespace,
            test_folder,
            PEYGIR_SMTP_PORT=str(server.port),
            PEYGIR_MAIL_RETRY_SECONDS="0.2",
            PEYGIR_MAIL_TRIES_MOST="4",
        ) as service:
            for deputy in ("civil", "crisis", "social", "political"):
                topic, data = topics.resolutions(deputy), approval(deputy, deputy)
                await producer.event(topic, "ResolutionApproved", data, key=deputy, id_=deputy)
            for deputy in ("crisis", "social", "political"):
                await notices_of(service, deputy)
            (failed,) = await notices_of(service, "civil", "failed")
            assert failed["tries"] == 4
            assert "Disconnected" in failed["reason"]
            metrics = (await service.http.get("/metrics")).text
            assert "peygir_mail_server_away 0.0" in metrics
            assert 'peygir_notices_put_off{cause="domain"} 0.0' in metrics
    assert server.heard.count(("DOT", civil)) == 4
    assert len(server.taken) == len(set(server.taken)) == 3


async def test_a_session_that_is_moved_or_called_off_is_told_to_whom_it_was_announced(
    notify: Service, producer: Producer, topics: Topics, mailbox: Mailbox
) -> None:
    async def event(type_: str, data: dict[str, Any], number: int) -> None:
        data = {"session_id": "moving", **data}
        id_ = f"moving-{number}"
        await producer.event(topics.sessions, type_, data, key="moving", id_=id_)

    gathering = {
        "kind": "provincial",
        "provinces": ["IR-07", "IR-09"],
        "title": "نشست تخصصی",
        "starts_at": "2024-03-11T05:30:00Z",
        "ends_at": "2024-03-11T10:00:00Z",
        "mode": "in-person",
    }
    later = {
        "starts_at": "2024-03-13T05:30:00Z",
        "ends_at": "2024-03-13T10:00:00Z",
        "previous_starts_at": "2024-03-11T05:30:00Z",
    }
    await event("SessionScheduled", gathering, 1)
    await notices_of(notify, "moving", count=2)
    await event("SessionRescheduled", later, 2)
    await event("SessionRescheduled", later, 2)
    await notices_of(notify, "moving", count=4)
    await event("SessionCancelled", {"cancelled_at": "2024-03-12T05:30:00Z"}, 3)
    await event("SessionCancelled", {"cancelled_at": "2024-03-12T05:30:00Z"}, 4)
    told = await notices_of(notify, "moving", count=6)
    mails = [
        mail
        for mail in mailbox.mails()
        if mail["Message-ID"].split("@")[0][1:] in {item["notice_id"] for item in told}
    ]
    subjects = [mail["Subject"] for mail in mails if mail["To"].startswith("province.ir-09@")]
    assert subjects == [
        "دعوت به نشست تخصصی استان خراسان رضوی؛ دوشنبه ۲۱ اسفند ۱۴۰۲",
        "تغییر زمان نشست تخصصی استان خراسان رضوی؛ چهارشنبه ۲۳ اسفند ۱۴۰۲",
        "لغو نشست تخصصی استان خراسان رضوی؛ چهارشنبه ۲۳ اسفند ۱۴۰۲",
    ]
    assert len(mails) == 6


async def test_whoever_was_not_invited_yet_is_invited_to_the_new_time_or_not_at_all(
    cluster: Cluster, notify: Service, producer: Producer, topics: Topics, mailbox: Mailbox
) -> None:
    async def event(id_: str, type_: str, **data: Any) -> None:
        data = {"session_id": id_, **data}
        await producer.event(topics.sessions, type_, data, key=id_, id_=f"{id_}-{type_}")

    gathering = {"kind": "provincial", "provinces": ["IR-09"], "title": "نشست تخصصی"}
    old = {"starts_at": "2024-03-11T05:30:00Z", "ends_at": "2024-03-11T10:00:00Z"}
    new = {"starts_at": "2024-03-13T05:30:00Z", "ends_at": "2024-03-13T10:00:00Z"}
    cluster.kill("mail")
    for id_ in ("early", "never"):
        await event(id_, "SessionScheduled", **gathering, **old, mode="webinar")
        await notices_of(notify, id_, "pending")
    await event("early", "SessionRescheduled", **new, previous_starts_at=old["starts_at"])
    await event("never", "SessionCancelled", cancelled_at="2024-03-10T05:30:00Z")
    for id_ in ("early", "never"):
        await notices_of(notify, id_, "withdrawn")
    assert await notify.items("/v1/notices", subject="never", state="pending") == []
    await asyncio.to_thread(cluster.start, "mail")
    (told,) = await notices_of(notify, "early")
    withdrawn = await notify.items("/v1/notices", state="withdrawn")
    assert mailbox.of(item["notice_id"] for item in (told, *withdrawn)) == {told["notice_id"]: 1}
    (mail,) = [m for m in mailbox.mails() if told["notice_id"] in m["Message-ID"]]
    assert mail["Subject"] == ("دعوت به نشست تخصصی استان خراسان رضوی؛ چهارشنبه ۲۳ اسفند ۱۴۰۲")


async def test_bad_questions_are_refused_by_name(notify: Service) -> None:
    for query, field in (("state=lost", "state"), ("template=x", "template"), ("topic=x", "topic")):
        answer = await notify.http.get(f"/v1/notices?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (await notify.http.get("/v1/notices/nobody")).status_code == 404


async def test_what_it_reads_and_sends_is_documented(notify: Service) -> None:
    channels = (await notify.http.get("/asyncapi.json")).json()["channels"]
    assert len([name for name in channels if "resolutions" in str(channels[name])]) == 9

    async def shown() -> bool:  # every two seconds
        return "peygir_notices_waiting 0.0" in (await notify.http.get("/metrics")).text

    await eventually(shown, 10, "nothing that waits")


async def _holds(service: Service) -> bool:
    text = (await service.http.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("peygir_lease_held")]
    return any("/delivery" in line and line.endswith(" 1.0") for line in lines)
