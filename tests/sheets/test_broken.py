"""Any broken file is refused with advice for its sender, and nothing else happens."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.followups.domain.bulk import BadSheet, Column
from services.followups.handlers import NoSheet
from tests.sheets.raw import PERCENT, SHEET, inline, number, packed, parts, rows
from tests.unit.followups.examples import ACKNOWLEDGED, PROGRESSED, after
from tests.unit.followups.sheets import edits_here, sheet_of

EXAMPLES = 200  # of each test

FILLED_IN = {
    Column.PROGRESS: number("0.5", PERCENT),
    Column.NOTE: ('t="s"', "<v>0</v>"),
    Column.DONE: inline("بله"),
}
STRINGS = "<si><r><t>یادداشت_x000D_</t></r></si>"
PARTS = parts(
    rows(FILLED_IN), strings=STRINGS, after='<mergeCells><mergeCell ref="A1:B2"/></mergeCells>'
)
OURS = sheet_of([after(ACKNOWLEDGED, PROGRESSED)])

Change = Callable[[bytes], bytes]


def is_refused(content: bytes) -> bool:
    """Whether a file is refused; any other error fails the test."""
    try:
        edits_here(content)
    except (NoSheet, BadSheet):
        return True
    return False


def parts_of(content: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(BytesIO(content)) as file:
        for name in file.namelist():
            yield name, file.read(name)


FILES = [PARTS, dict(parts_of(OURS))]


def test_unchanged_files_are_read() -> None:
    assert not any(is_refused(packed(file)) for file in FILES)


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_a_file_with_any_damage_is_read_or_refused(
    data: st.DataObject,
) -> None:
    content = bytearray(data.draw(st.sampled_from([OURS, packed(PARTS)])))
    for _ in range(data.draw(st.integers(1, 4))):
        _damage(content, data)
    is_refused(bytes(content))


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_a_part_with_any_damage_is_read_or_refused(
    data: st.DataObject,
) -> None:
    file = data.draw(st.sampled_from(FILES))
    name = data.draw(st.sampled_from(sorted(file)))
    part = bytearray(file[name])
    for _ in range(data.draw(st.integers(1, 3))):
        _damage(part, data)
    is_refused(packed({**file, name: bytes(part)}))


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_a_part_that_is_missing_cut_off_or_replaced_is_read_or_refused(data: st.DataObject) -> None:
    file = dict(data.draw(st.sampled_from(FILES)))
    name = data.draw(st.sampled_from(sorted(file)))
    match data.draw(st.sampled_from(["missing", "cut off", "another", "twice"])):
        case "missing":
            del file[name]
        case "cut off":
            file[name] = file[name][: data.draw(st.integers(0, len(file[name])))]
        case "another":
            file[name] = file[data.draw(st.sampled_from(sorted(file)))]
        case _:
            file[name] *= 2
    is_refused(packed(file))


_ENCODINGS = st.one_of(
    st.sampled_from(
        [
            *("UTF-8", "utf8", "UTF-16", "UTF-16LE", "UTF-32", "UTF-7", "ASCII", "ISO-8859-1"),
            *("windows-1256", "cp720", "gb18030", "shift_jis", "big5", "iso2022_jp", "idna"),
            *("punycode", "rot13", "hex", "base64", "zlib", "bz2", "undefined", "mbcs", "oem"),
            *(
                "raw_unicode_escape",
                "unicode_escape",
                "charmap",
                "utf_8_sig",
                "TF-8",
                "os",
                "x" * 99,
            ),
        ]
    ),
    st.from_regex(r"[A-Za-z][A-Za-z0-9._\-]{0,12}", fullmatch=True),
)


@settings(max_examples=EXAMPLES)
@given(
    st.sampled_from(sorted(PARTS)),
    st.sampled_from(["1.0", "1.1", "2.0", ""]),
    _ENCODINGS,
    st.sampled_from(["", ' standalone="yes"', ' standalone="maybe"', ' encoding="UTF-8"']),
)
@example("xl/styles.xml", "1.0", "TF-8", "")
@example(SHEET, "1.0", "hex", "")
@example(SHEET, "1.0", "UTF-16", "")
def test_any_xml_declaration_is_read_or_refused(
    name: str, version: str, encoding: str, more: str
) -> None:
    _, _, xml = PARTS[name].partition(b"?>")
    declared = f'<?xml version="{version}" encoding="{encoding}"{more}?>'.encode()
    is_refused(packed({**PARTS, name: declared + xml}))


_VALUES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["-1", "99999999999999999999", "1e9", "0x1", "٣", " 1", "A0", "XFE1", "A1048577"]
    ),
)


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_any_attribute_and_any_value_is_read_or_refused(data: st.DataObject) -> None:
    """Well-formed XML with other values gets further into the reader than broken XML."""
    name = data.draw(st.sampled_from(sorted(PARTS)))
    pieces = PARTS[name].decode().replace(">", "\0>\0").replace('"', '\0"\0').split("\0")
    holds = [n for n, piece in enumerate(pieces) if n and pieces[n - 1] in {'"', ">"}]
    for place in data.draw(st.lists(st.sampled_from(holds), min_size=1, max_size=3)):
        pieces[place] = _escaped(data.draw(_VALUES))
    is_refused(packed({**PARTS, name: "".join(pieces).encode(errors="replace")}))


def _escaped(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _damage(content: bytearray, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    content[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    if not content:
        content += b"x"
