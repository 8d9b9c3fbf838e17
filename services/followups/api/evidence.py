"""Evidence over HTTP: files that come and go piece by piece, and links."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from services.followups import handlers
from services.followups.api.context import ApiContexts, problems
from services.followups.api.schemas import AddLink, EvidenceItem, evidence_item
from services.followups.domain import evidence
from services.followups.domain.evidence import EmptyFile, File, Link
from services.followups.domain.records import EvidenceAdded, Followup
from services.followups.handlers import Added, Upload
from shared.contracts.events.base import Brief
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Repeatable, Traceparent
from shared.runtime.http.disposition import BadDisposition, attachment, named
from shared.runtime.idempotent_replies import Replying
from shared.runtime.identity import Caller
from shared.runtime.problems import Problem, invalid_field, not_found
from shared.runtime.sentences import sentence

PATH: Final = "/followups/{followup_id}/evidence"

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}", re.ASCII)
_UNKNOWN_KIND: Final = "application/octet-stream"
_THERE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": EvidenceItem, "description": "It is there already."}
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "description": "The file itself, whatever its kind.",
        "required": True,
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, as it was handed in.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "It is what `If-None-Match` names."},
    410: {"description": "The file is known, and its content lost."},
}


def routes(contexts: ApiContexts, clock: DomainClock) -> APIRouter:
    """The routes of evidence."""
    router = APIRouter(tags=["evidence"])

    @router.post(PATH, status_code=201, responses=_THERE, openapi_extra=_BODY)
    async def add_file(
        request: Request,
        response: Response,
        by: Caller,
        followup_id: str,
        once: Repeatable,
        name: Annotated[
            str | None, Query(description="Its name, where no Content-Disposition tells it.")
        ] = None,
        note: Annotated[Brief | None, Query()] = None,
        content_type: Annotated[str | None, Header()] = None,
        content_disposition: Annotated[str | None, Header()] = None,
        traceparent: Traceparent = None,
    ) -> EvidenceItem:
        """Hand in a file: its bytes are the body, its name stands in Content-Disposition
        (`attachment; filename*=UTF-8''…`, RFC 6266 and 8187) or in the query.

        Answers 201, or 200 where the same bytes are there already.
        """
        api, followup = await contexts.find(followup_id)
        await once.answer_again(api.store.replies)
        with problems(followup_id):
            file_name = evidence.file_name(_name(content_disposition, name))
            media_type = _media_type(content_type)
            evidence.require_room(followup, by, await clock.now())  # before anything is taken
            async with api.uploads.receive() as upload:
                await _take(request, upload)
                now = await clock.now()

                def decide(f: Followup) -> EvidenceAdded | None:
                    file = File(file_name, media_type, upload.size, upload.sha256)
                    return evidence.add_file(f, by, file, note, now)

                async def act(reply: Replying[Added]) -> Added:
                    with problems(followup_id):
                        return await handlers.add_file(
                            followup_id,
                            api.store,
                            api.context,
                            by,
                            upload,
                            decide,
                            traceparent,
                            reply,
                        )

                return await once(
                    api.store.replies,
                    act,
                    lambda added: _answer(added, response),
                    about=followup_id,
                    body=upload.sha256,
                )

    @router.post("/followups/{followup_id}/evidence-links", status_code=201, responses=_THERE)
    async def add_link(
        response: Response,
        by: Caller,
        followup_id: str,
        body: AddLink,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> EvidenceItem:
        """Hand in a link. Answers 201, or 200 where it is there already."""
        api, _ = await contexts.find(followup_id)
        now = await clock.now()
        link = Link(body.url, None if body.sha256 is None else body.sha256.lower())

        async def act(reply: Replying[Added]) -> Added:
            with problems(followup_id):
                return await handlers.add_link(
                    followup_id,
                    api.store,
                    api.context,
                    by,
                    link,
                    lambda f: evidence.add_link(f, by, link, body.note, now),
                    traceparent,
                    reply,
                )

        return await once(
            api.store.replies, act, lambda added: _answer(added, response), about=followup_id
        )

    @router.get(PATH + "/{evidence_id}", responses=_FILE, response_class=StreamingResponse)
    async def get_file(
        _: Caller,
        followup_id: str,
        evidence_id: str,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """A file, as it was handed in; its ETag is its SHA-256.

        Where what is stored is not that any more, the answer breaks off before its end.
        """
        api, followup = await contexts.find(followup_id)
        piece = evidence.find(followup, evidence_id)
        if piece is None:
            raise not_found(
                sentence(
                    "no evidence {evidence_id} of follow-up {followup_id}",
                    evidence_id=evidence_id,
                    followup_id=followup_id,
                )
            )
        if piece.url is not None:
            raise not_found(
                sentence(
                    "evidence {evidence_id} is a link: {url}",
                    evidence_id=evidence_id,
                    url=piece.url,
                )
            )
        content = await api.store.content(piece)
        if content is None:
            told = "it was handed in after the copy from which the database was restored"
            raise Problem(410, "evidence-lost", "The content of the evidence is lost", told)
        return _file(piece, content, if_none_match)

    return router


async def _take(request: Request, upload: Upload) -> None:
    """Take the body piece by piece. What is too long is refused on the way, with 413."""
    try:
        async for data in request.stream():
            await upload.write(data)
        if not upload.size:
            raise EmptyFile("the file is empty")
        await upload.finish()
    except ClientDisconnect:
        raise Problem(400, "body-broken-off", "The body broke off") from None


def _name(disposition: str | None, asked: str | None) -> str:
    if disposition is not None:
        try:
            told = named(disposition)
        except BadDisposition as error:
            raise invalid_field("Content-Disposition", str(error)) from error
        if told is not None:
            return told
    if asked is None:
        raise invalid_field("name", "a file has a name: Content-Disposition, or ?name=")
    return asked


def _media_type(told: str | None) -> str:
    if told is None:
        return _UNKNOWN_KIND
    media_type = told.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise invalid_field("Content-Type", "a kind such as application/pdf")
    if media_type.startswith("multipart/"):
        told = "Send the file itself as the body, not a form that holds it"
        raise Problem(415, "unsupported-media-type", "The body is of another kind", told)
    return media_type


def _answer(added: Added, response: Response) -> EvidenceItem:
    if not added.is_new:
        response.status_code = 200
    return evidence_item(added.piece)


def _file(piece: EvidenceAdded, content: AsyncIterator[bytes], known: str | None) -> Response:
    assert piece.name is not None  # a file has it
    tag = f'"{piece.sha256}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if known is not None and tag in re.split(r"\s*,\s*", known.replace("W/", "")):
        return Response(status_code=304, headers=headers)
    headers |= {"Content-Disposition": attachment(piece.name), "Content-Length": str(piece.bytes)}
    return StreamingResponse(content, headers=headers, media_type=piece.media_type)
