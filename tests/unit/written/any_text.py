"""Any text, for what has to work with every text."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

_ODD: Final = (
    *("\x00", "\x07", "\x0b", "\x0c", "\r", "\n", "\r\n", "\t", "\x1b[31m", "\x1b]0;x\x07", "\x7f"),
    *("\x85", "\x9b2J", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff", "\ufdd0", "\U0001ffff"),
    *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"),
    *("\ud800", "\udfff", "\u200c", "\u200f", "e\u0301", "گزارش", "مصوبه‌ی ۱۲", "👩‍🚒", "a" * 3_000),
    *(
        "<b>",
        "&amp;",
        "&#0;",
        "]]>",
        "<!--",
        "</script>",
        "<?x?>",
        '"',
        "'",
        "\\",
        "%0A",
        "{{ x }}",
    ),
    *("=1+1", "+1", "-1", "@x", "＝1", "|", ";", ",", "'="),
)

ANY_TEXT: Final = st.one_of(
    st.text(),
    st.text(st.characters(max_codepoint=0x9F)),
    st.lists(st.one_of(st.sampled_from(_ODD), st.text(max_size=3)), max_size=6).map("".join),
)
"""All of Unicode with lone surrogates, and often characters that have a meaning in some format."""
