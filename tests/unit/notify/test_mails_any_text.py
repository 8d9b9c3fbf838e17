"""Whatever text an event holds, its mail is well formed and shows that text."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy

from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.domain.notifications import CancelledSession, MovedSession
from tests.unit.notify.examples import followup, report, resolution, session
from tests.unit.notify.reading_mails import (
    bare,
    cleaned,
    cleaned_lines,
    html,
    mail,
    raw,
    rows,
    text,
)

_NASTY = st.sampled_from(
    [
        *(
            "\r\nBcc: x@y.z\r\n\r\n",
            "\r",
            "\n.\n",
            "\x00",
            "\x1b[2J",
            "\x7f",
            "\x85",
            "\u2028",
            "\ud800",
        ),
        *(
            "=?utf-8?b?QmNjOg==?=",
            "--=_boundary--",
            "<!--",
            "-->",
            "</title><script>",
            "</td></table>",
        ),
        *("<![CDATA[", "&#8238;", "&amp", "&lt;b&gt;", "{{ letter }}", "{% raw %}", "\"'`"),
        *("\u202e", "\u2066", "\u2069", "\u2068", "\u200f", "\u061c", "\ufeff", "\ufffe", "\ufdd0"),
        *(
            "\U0010ffff",
            "\U000e0041",
            "\u200c",
            "می\u200cشود",
            "ي",
            "ك",
            "١٢",
            "a" * 1_500,
            "ش" * 300,
        ),
    ]
)
_ANY = st.lists(_NASTY | st.text(st.characters(exclude_categories=())), max_size=6).map("".join)
_INSTANTS = st.datetimes(
    datetime(1900, 1, 2),  # noqa: DTZ001  # hypothesis wants them naive
    datetime(2199, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)
_HEADERS = [
    *("Content-Type", "MIME-Version", "From", "To", "Subject", "Date", "Message-ID"),
    *("Content-Language", "Auto-Submitted"),
]


@settings(max_examples=40, deadline=None)  # the machine's load is no failure
@given(title=_ANY, terms=_ANY, body=_ANY, reason=_ANY, instant=_INSTANTS)
def test_any_text_in_an_event_gives_a_mail_that_every_reader_shows_alike(
    title: str, terms: str, body: str, reason: str, instant: datetime
) -> None:
    due_on = instant.date()
    visit = session(title=title, venue=body, starts_at=instant, kind="visit")
    for notification, shown_rows in (
        (
            resolution(title=title, text=terms, executing_body=body, due_on=due_on, supporting=()),
            {
                "عنوان مصوبه": cleaned(title),
                "متن مصوبه": cleaned_lines(terms),
                "دستگاه مجری": cleaned(body),
            },
        ),
        (visit, {"عنوان نشست": cleaned(title), "محل": cleaned(body)}),
        (
            MovedSession(visit, instant, instant, reason),
            {"عنوان نشست": cleaned(title), "دلیل": cleaned_lines(reason)},
        ),
        (
            CancelledSession(visit, instant, reason),
            {"عنوان نشست": cleaned(title), "دلیل": cleaned_lines(reason)},
        ),
        (followup(title=title, due_on=due_on), {"عنوان مصوبه": cleaned(title)}),
        (report(title=title, due_at=instant), {"عنوان نشست": cleaned(title)}),
    ):
        content = raw(notification)
        assert content.isascii()
        lines = content.split(b"\r\n")
        assert not any(b"\n" in line or b"\r" in line for line in lines)
        assert max(map(len, lines[1:])) <= 78  # RFC 5322, 2.1.1; the first holds the boundary
        assert len(lines[0]) <= 100
        read = message_from_bytes(content, policy=policy.default)
        assert read.defects == []
        assert sorted(read.keys()) == sorted(_HEADERS)
        subject = str(read["Subject"])
        assert len(subject) <= 150
        assert cleaned(subject) == subject
        assert [part.get_content_type() for part in read.walk()] == [
            *("multipart/alternative", "text/plain", "text/html"),
        ]
        written = text(read)
        table = rows(html(read))
        for label, value in shown_rows.items():
            if value or label in table:
                assert bare(table[label]) == value
                assert f"\n{label}: {table[label]}\n" in written
        assert written.count("شناسه اعلان: ") >= 1
        balance = [written.count(mark) for mark in "\u2068\u2069"]
        assert balance[0] == balance[1]
        assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067") & set(written + html(read))


@given(title=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=100))
def test_a_short_title_is_in_the_subject_whole(title: str) -> None:
    assert mail(resolution(title=title))["Subject"] == f"ابلاغ مصوبه: {cleaned(title)}".rstrip()
