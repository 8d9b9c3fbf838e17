"""The mails: each that somebody has to get, exactly once, and no other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from shared.contracts.events import FollowupOpened, NoticeDelivered, NoticeFailed
from tools.demo.evidence import CaughtMail, Evidence
from tools.demo.expectation import Expectation, Mail
from tools.demo.script import SEASON
from tools.demo.verdicts import Check, compare, compare_counts, none_of

_ABOUT: Final = re.compile(rf"{SEASON}-IR-\d\d(?:-R\d{{3}})?")


def check_mails(expectation: Expectation, evidence: Evidence) -> Iterator[Check]:
    """From the catcher, from the topic of notices, and from the data of `notify`."""
    delivered = [r.data for r in evidence.records if isinstance(r.data, NoticeDelivered)]
    ids = Counter(_notice_id(mail) for mail in evidence.mails)
    yield none_of("mails caught twice", [f"{id_}: {n} times" for id_, n in ids.items() if n > 1])
    yield compare_counts(
        "mails caught, by recipient and what they are about",
        Counter(_outside(m) for m in expectation.mails.elements()),
        Counter(_seen(mail) for mail in evidence.mails),
    )
    yield compare_counts(
        "mails caught, by the notices delivered",
        Counter(notice.notice_id for notice in delivered),
        ids,
    )
    resolutions = {
        r.data.followup_id: r.data.resolution_id
        for r in evidence.records
        if isinstance(r.data, FollowupOpened)
    }
    yield compare_counts(
        "notices delivered, by kind, recipient and what they are about",
        expectation.mails,
        Counter(
            Mail(n.template, n.recipient_role, resolutions.get(n.subject, n.subject))
            for n in delivered
        ),
    )
    yield none_of(
        "notices failed",
        [r.data.notice_id for r in evidence.records if isinstance(r.data, NoticeFailed)],
    )
    yield compare(
        "notices in the data of `notify`",
        {notice.notice_id: "delivered" for notice in delivered},
        ((d["_id"], d["state"]) for d in evidence.documents["notify", "notices"]),
    )
    yield _titles(expectation, evidence)


def _titles(expectation: Expectation, evidence: Evidence) -> Check:
    """A mail about a resolution says its title, in Persian."""
    titles: Mapping[str, str] = {
        id_: life.resolution.title for id_, life in expectation.lives.items()
    }
    about = [(mail, titles.get(_seen(mail)[1])) for mail in evidence.mails]
    concerned = [(mail, title) for mail, title in about if title is not None]
    faults = [
        f"{mail.message_id} does not say {title}"
        for mail, title in concerned
        if title not in mail.text or title not in mail.subject
    ]
    return Check(
        "mails that say the resolution's title", len(concerned), len(concerned), tuple(faults)
    )


def _outside(mail: Mail) -> tuple[str, str]:
    """A mail as one sees it from outside: the name before the @, and the id that it is about."""
    return mail.role.replace(":", ".").lower(), mail.about


def _seen(mail: CaughtMail) -> tuple[str, str]:
    found = _ABOUT.findall(mail.text)
    return ",".join(address.partition("@")[0] for address in mail.to), max(
        found, key=len, default=""
    )


def _notice_id(mail: CaughtMail) -> str:
    return mail.message_id.strip("<>").partition("@")[0]
