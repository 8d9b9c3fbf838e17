"""Erasures for the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from tools.erase.erasures import Erasure, EvidenceFile, Order, ReportTexts

AT = datetime(2026, 11, 30, 19, 0, 0, 123_000, tzinfo=UTC)
TEXTS = ReportTexts("1402-IR-09", "r-1", 2)
FILE = EvidenceFile("f-1", "e-1", ("followups_civil", "followups_social"), ("u-1", "u-2"))
ORDER = Order(AT, "c.ahmadi", "به درخواست استان")

_texts = st.text(max_size=20)
_instants = st.integers(0, 10**12).map(lambda ms: AT + timedelta(milliseconds=ms))
_orders = st.builds(Order, _instants, _texts, _texts, st.none() | _texts)
_lists = st.lists(_texts, max_size=3).map(tuple)
_subjects = st.one_of(
    st.builds(ReportTexts, _texts, _texts, st.integers(1, 2**31)),
    st.builds(EvidenceFile, _texts, _texts, _lists, _lists),
)
erasures = st.builds(Erasure, _texts, _orders, _subjects)


def of(subject: ReportTexts | EvidenceFile, id_: str = "x-1") -> Erasure:
    """An erasure of this."""
    return Erasure(id_, ORDER, subject)
