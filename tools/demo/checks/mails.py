"""Mails: everybody gets each mail that they must get, exactly once, and no other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from shared.contracts.events import FollowupOpened, NoticeDelivered, NoticeFailed
from tools.demo.checks.result import CheckResult, check_none, compare, compare_counts
from tools.demo.evidence import CaughtMail, Evidence
from tools.demo.oracle import Expectation, Notice
from tools.demo.script import SEASON

_ID: Final = re.compile(rf"{SEASON}-IR-\d\d(?:-R\d{{3}})?")  # of a session or a resolution


def check_mails(expectation: Expectation, evidence: Evidence) -> Iterator[CheckResult]:
    """Check what the catcher has, the topic of notices, and what `notify` says over HTTP."""
    delivered = [record.data for record in evidence.of(NoticeDelivered)]
    notice_ids = Counter(_notice_id(mail) for mail in evidence.mails)
    yield check_none(
        "mails caught twice", [f"{id_}: {n} times" for id_, n in notice_ids.items() if n > 1]
    )
    yield compare_counts(
        "mails caught, by recipient and what they are about",
        Counter(_recipient_and_id(notice) for notice in expectation.notices.elements()),
        Counter((_recipient(mail), _about(mail)) for mail in evidence.mails),
    )
    yield compare_counts(
        "mails caught, by the notices delivered",
        Counter(notice.notice_id for notice in delivered),
        notice_ids,
    )
    resolutions = {r.data.followup_id: r.data.resolution_id for r in evidence.of(FollowupOpened)}
    yield compare_counts(
        "notices delivered, by kind, recipient and what they are about",
        expectation.notices,
        Counter(
            Notice(n.template, n.recipient_role, resolutions.get(n.subject, n.subject))
            for n in delivered
        ),
    )
    failed = evidence.of(NoticeFailed)
    yield check_none("notices failed", [record.data.notice_id for record in failed])
    yield compare(
        "notices in the data of `notify`",
        {notice.notice_id: "delivered" for notice in delivered},
        evidence.served.notices,
    )
    yield _titles(expectation, evidence)


def _titles(expectation: Expectation, evidence: Evidence) -> CheckResult:
    """A mail about a resolution names its title, in the subject and in the text."""
    followups = expectation.followups
    mails = [
        (mail, followups[_about(mail)].resolution.title)
        for mail in evidence.mails
        if _about(mail) in followups
    ]
    faults = [
        f"{mail.message_id} does not say {title}"
        for mail, title in mails
        if title not in mail.text or title not in mail.subject
    ]
    return CheckResult(
        "mails that say the resolution's title", len(mails), len(mails), tuple(faults)
    )


def _recipient_and_id(notice: Notice) -> tuple[str, str]:
    """What a mail shows of a notice: the name before the @, and the id that it is about."""
    return notice.recipient_role.replace(":", ".").lower(), notice.about


def _recipient(mail: CaughtMail) -> str:
    return ",".join(address.partition("@")[0] for address in mail.to)


def _about(mail: CaughtMail) -> str:
    """The most specific id in the text: that of a resolution, which begins with its session's."""
    return max(_ID.findall(mail.text), key=len, default="")


def _notice_id(mail: CaughtMail) -> str:
    return mail.message_id.strip("<>").partition("@")[0]
