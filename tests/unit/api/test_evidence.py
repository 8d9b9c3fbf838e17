"""Evidence over HTTP, over a store in memory."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from services.followups.domain.evidence import MOST
from shared.contracts.events import FollowupEvidenceAdded
from shared.runtime.http.disposition import named
from tests.unit.api.services_in_memory import EVIDENCE_LIMIT, ApiClient, open_followups
from tests.unit.api.test_followups_steps import CIVIL, COORDINATION, PROVINCE

SOCIAL = {"X-Peygir-User": "d.sadeghi", "X-Peygir-Roles": "deputy:social"}
NAME = "عکس پل روستای سرآسیاب.jpg"
PHOTO = b"\xff\xd8\xff photo"
JSON = {"Content-Type": "application/json; charset=utf-8"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
LINK = {"url": "https://edari.example/نامه/۱۲", "note": "نامه‌ی استانداری"}


async def acknowledged(client: ApiClient) -> str:
    """The path of a follow-up that is acknowledged."""
    id_ = (await client.items("/followups"))[0]["followup_id"]
    answer = await client.post(f"/followups/{id_}/acknowledge", {}, **CIVIL)
    assert answer.status_code == 200, answer.text
    return f"/v1/followups/{id_}"


async def upload(
    client: ApiClient,
    path: str,
    content: bytes | AsyncIterator[bytes] = PHOTO,
    who: dict[str, str] = CIVIL,
    query: str = "",
    headers: Mapping[str, str] = {},
) -> httpx.Response:
    usual = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(NAME)}",
        "Content-Type": "image/jpeg",
    }
    sent = {n: v for n, v in {**usual, **headers, **who}.items() if v}
    return await client.http.post(f"{path}/evidence{query}", content=content, headers=sent)


def field_of(answer: httpx.Response) -> str:
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    name: str = error["field"]
    return name


async def test_a_file_comes_back_as_it_was_uploaded() -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        answer = await upload(client, path, query=f"?note={quote('پایان کار')}")
        assert answer.status_code == 201, answer.text
        piece = answer.json()
        assert (piece["name"], piece["media_type"], piece["bytes"], piece["note"]) == (
            *(NAME, "image/jpeg", len(PHOTO), "پایان کار"),
        )
        assert piece["sha256"] == hashlib.sha256(PHOTO).hexdigest()
        shown = (await client.http.get(path)).json()
        assert shown["evidence"] == [piece]
        assert shown["version"] == 3
        event = FollowupEvidenceAdded.from_json(client.events()[-1].data)
        assert (event.name, event.sha256, event.by) == (NAME, piece["sha256"], "d.karimi")

        got = await client.http.get(f"{path}/evidence/{piece['evidence_id']}", headers=PROVINCE)
        assert (got.status_code, got.content) == (200, PHOTO)
        assert got.headers["content-type"] == "image/jpeg"
        assert got.headers["content-length"] == str(len(PHOTO))
        assert got.headers["etag"] == f'"{piece["sha256"]}"'
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["content-disposition"] == (
            f"attachment; filename=\"file.jpg\"; filename*=UTF-8''{quote(NAME)}"
        )
        tagged = {"If-None-Match": got.headers["etag"]}
        again = await client.http.get(f"{path}/evidence/{piece['evidence_id']}", headers=tagged)
        assert (again.status_code, again.content) == (304, b"")


async def test_the_same_file_is_one_piece() -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        first = await upload(client, path)
        published = len(client.events())
        again = await upload(client, path, who=COORDINATION, query="?note=x")
        assert (again.status_code, again.json()) == (200, first.json())
        assert len(client.events()) == published
        other = await upload(client, path, b"other", who=COORDINATION)
        assert other.status_code == 201
        assert len((await client.http.get(path)).json()["evidence"]) == 2


async def test_a_link_is_stored_as_it_was_given() -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        link = {**LINK, "sha256": "AB" * 32}
        first = await client.http.post(f"{path}/evidence-links", json=link, headers=COORDINATION)
        assert first.status_code == 201, first.text
        piece = first.json()
        assert (piece["url"], piece["sha256"], piece["name"]) == (LINK["url"], "ab" * 32, None)
        again = await client.http.post(f"{path}/evidence-links", json=link, headers=CIVIL)
        assert (again.status_code, again.json()) == (200, piece)
        got = await client.http.get(f"{path}/evidence/{piece['evidence_id']}")
        assert got.status_code == 404
        assert LINK["url"] in got.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://x.ir/a"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "نامه"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://x.ir/a b"}, "url"),
        ({"url": "https://x.ir/" + "a" * 2_000}, "url"),
        ({**LINK, "sha256": "ab"}, "sha256"),
        ({**LINK, "note": "x" * 2_001}, "note"),
        ({**LINK, "title": "x"}, "title"),
    ],
)
async def test_a_wrong_link_is_refused_by_name(body: dict[str, Any], field: str) -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        published = len(client.events())
        answer = await client.http.post(f"{path}/evidence-links", json=body, headers=CIVIL)
        assert field_of(answer) == field
        assert len(client.events()) == published


@pytest.mark.parametrize(
    ("headers", "query", "field"),
    [
        ({"Content-Disposition": ""}, "", "name"),
        ({"Content-Disposition": "attachment"}, "", "name"),
        ({"Content-Disposition": "attachment; filename*=UTF-8''%D9"}, "", "Content-Disposition"),
        ({"Content-Disposition": ""}, "?name=..", "name"),
        ({"Content-Disposition": ""}, f"?name={'x' * 256}", "name"),
        ({"Content-Disposition": ""}, "?name=a%0Ab", "name"),
        ({"Content-Disposition": ""}, "?name=%D9.pdf", "name"),
        ({"Content-Disposition": 'attachment; filename=""'}, "", "name"),
        ({"Content-Disposition": 'attachment; filename="????.pdf"'}, "", "name"),
        ({"Content-Disposition": "attachment; filename=a%00.pdf"}, "", "name"),
        ({"Content-Disposition": 'attachment; filename="=?x?B?YQ==?="'}, "", "Content-Disposition"),
        ({"Content-Type": "jpeg"}, "", "Content-Type"),
        ({}, f"?note={'x' * 2_001}", "note"),
        ({}, "?notes=x", "notes"),
    ],
)
async def test_what_is_wrong_with_a_file_is_named(
    headers: dict[str, str], query: str, field: str
) -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        published = len(client.events())
        assert field_of(await upload(client, path, query=query, headers=headers)) == field
        assert len(client.events()) == published


async def test_a_name_may_be_in_the_query_and_a_media_type_may_be_missing() -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        answer = await upload(
            client,
            path,
            query=f"?name={quote(NAME)}",
            headers={"Content-Disposition": "", "Content-Type": ""},
        )
        assert answer.status_code == 201, answer.text
        assert (answer.json()["name"], answer.json()["media_type"]) == (
            *(NAME, "application/octet-stream"),
        )


async def test_a_name_is_answered_right_however_the_client_wrote_it() -> None:
    written = {
        "curl": rb'attachment; filename="a \"b\".pdf"',
        "browser": 'attachment; filename="C:\\fakepath\\گزارش %22۱%22.pdf"'.encode(),
        ".NET": b"attachment; filename=\"=?utf-8?B?2b4=?=\"; filename*=utf-8''%D9%BE%D9%84.pdf",
        "Java": b'attachment; filename="=?UTF-8?Q?=D9=BE=D9?= =?UTF-8?Q?=84?=.pdf"',
        "mail": b"attachment; filename*0*=utf-8''%D9%BE%D9; filename*1*=%84; filename*2=.pdf",
        "trick": 'attachment; filename="\u202egpj.exe. ."'.encode(),
    }
    async with open_followups() as client:
        path = await acknowledged(client)
        names = []
        for program, header in written.items():
            answer = await client.http.post(
                f"{path}/evidence",
                content=program.encode(),
                headers=[(b"Content-Disposition", header), *_raw(CIVIL)],
            )
            assert answer.status_code == 201, (program, answer.text)
            piece = answer.json()
            got = await client.http.get(f"{path}/evidence/{piece['evidence_id']}")
            names.append(named(got.headers["content-disposition"]))
            assert piece["name"] == names[-1]
    assert names == ['a "b".pdf', 'گزارش "۱".pdf', "پل.pdf", "پل.pdf", "پل.pdf", "gpj.exe"]


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def test_json_is_accepted_as_a_file_and_a_form_is_not() -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        odd = await upload(client, path, b"{NaN", headers=JSON)
        assert (odd.status_code, odd.json()["media_type"]) == (201, "application/json")
        form = await upload(client, path, headers=FORM)
        assert form.status_code == 415


async def test_an_upload_without_the_right_is_refused_unread() -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        read = 0

        async def content() -> AsyncIterator[bytes]:
            nonlocal read
            read += 1
            yield PHOTO

        assert (await upload(client, path, content(), who=SOCIAL)).status_code == 403
        assert read == 0
        refused = await client.http.post(f"{path}/evidence-links", json=LINK, headers=SOCIAL)
        assert refused.status_code == 403
        assert (await client.http.get(path)).json()["evidence"] == []


async def test_it_is_for_follow_ups_that_exist_and_are_worked_on() -> None:
    async with open_followups() as client:
        id_ = (await client.items("/followups"))[0]["followup_id"]
        assert (await upload(client, f"/v1/followups/{id_}")).status_code == 409
        assert (await upload(client, "/v1/followups/nobody")).status_code == 404
        assert (await client.http.get(f"/v1/followups/{id_}/evidence/x")).status_code == 404
        assert (await client.http.get("/v1/followups/nobody/evidence/x")).status_code == 404


async def test_a_file_may_be_longer_than_other_bodies_and_not_longer_than_its_limit() -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        assert (await upload(client, path, b"x" * EVIDENCE_LIMIT)).status_code == 201
        assert (await upload(client, path, b"x" * (EVIDENCE_LIMIT + 1))).status_code == 413

        async def content() -> AsyncIterator[bytes]:
            for _ in range(EVIDENCE_LIMIT // 1_000 + 1):
                yield b"x" * 1_000

        assert (await upload(client, path, content())).status_code == 413
        link = {**LINK, "note": "x" * 1_000_000}
        refused = await client.http.post(f"{path}/evidence-links", json=link, headers=CIVIL)
        assert refused.status_code == 413


async def test_an_empty_file_is_refused() -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        assert field_of(await upload(client, path, b"")) == "body"


async def test_a_hundred_pieces_are_enough() -> None:
    async with open_followups() as client:
        path = await acknowledged(client)
        for n in range(MOST):
            assert (await upload(client, path, f"{n}".encode())).status_code == 201
        answer = await upload(client, path)
        assert (answer.status_code, answer.json()["type"]) == (
            *(409, "urn:peygir:problem:too-much-evidence"),
        )
