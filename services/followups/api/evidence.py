"""Evidence over HTTP: files, which are streamed in both directions, and links."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, TypeAlias

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
from shared.runtime.access import Action
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Repeatable, Traceparent
from shared.runtime.http.access import may
from shared.runtime.http.disposition import BadDisposition, attachment, named
from shared.runtime.idempotent_replies import Replying
from shared.runtime.principals import Principal
from shared.runtime.problems import Problem, invalid_field, not_found
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_FOLLOWUPS)]
Contributor: TypeAlias = Annotated[Principal, may(Action.COMMENT_ON_FOLLOWUP)]

PATH: Final = "/followups/{followup_id}/evidence"

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}", re.ASCII)
_DEFAULT_MEDIA_TYPE: Final = "application/octet-stream"
_ALREADY_THERE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": EvidenceItem, "description": "It is there already."}
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "description": "The file itself, of any media type.",
        "required": True,
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, as it was uploaded.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "`If-None-Match` names this file."},
    410: {"description": "The file is known, but its content is lost."},
}


def routes(contexts: ApiContexts, clock: DomainClock) -> APIRouter:
    """The routes of evidence."""
    router = APIRouter(tags=["evidence"])
    _add_upload(router, contexts, clock)
    _add_links(router, contexts, clock)
    _add_download(router, contexts)
    return router


def _add_upload(router: APIRouter, contexts: ApiContexts, clock: DomainClock) -> None:
    @router.post(PATH, status_code=201, responses=_ALREADY_THERE, openapi_extra=_BODY)
    async def add_file(
        request: Request,
        response: Response,
        by: Contributor,
        followup_id: str,
        once: Repeatable,
        name: Annotated[
            str | None, Query(description="Its name, if there is no Content-Disposition.")
        ] = None,
        note: Annotated[Brief | None, Query()] = None,
        content_type: Annotated[str | None, Header()] = None,
        content_disposition: Annotated[str | None, Header()] = None,
        traceparent: Traceparent = None,
    ) -> EvidenceItem:
        """Upload a file: the body is its bytes, its name is in Content-Disposition
        (`attachment; filename*=UTF-8''…`, RFC 6266 and 8187) or in the query.

        Answers 201, or 200 if the same bytes are there already.
        """
        api, followup = await contexts.find(followup_id, by)
        await once.answer_again(api.store.replies)
        with problems(followup_id):
            file_name = evidence.file_name(_name(content_disposition, name))
            media_type = _media_type(content_type)
            evidence.require_room(followup, by, await clock.now())  # before the body is read
            async with api.uploads.receive() as upload:
                await _receive(request, upload)
                now = await clock.now()
                file = File(file_name, media_type, upload.size, upload.sha256)

                def decide(f: Followup) -> EvidenceAdded | None:
                    return evidence.add_file(f, by, file, note, now)

                async def act(reply: Replying[Added]) -> Added:
                    store, context = api.store, api.context
                    with problems(followup_id):
                        return await handlers.add_file(
                            followup_id, store, context, by, upload, decide, traceparent, reply
                        )

                def show(added: Added) -> EvidenceItem:
                    return _answer(added, response)

                body = upload.sha256
                return await once(api.store.replies, act, show, about=followup_id, body=body)


def _add_links(router: APIRouter, contexts: ApiContexts, clock: DomainClock) -> None:
    @router.post(
        "/followups/{followup_id}/evidence-links", status_code=201, responses=_ALREADY_THERE
    )
    async def add_link(
        response: Response,
        by: Contributor,
        followup_id: str,
        body: AddLink,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> EvidenceItem:
        """Add a link. Answers 201, or 200 if it is there already."""
        api, _ = await contexts.find(followup_id, by)
        now = await clock.now()
        link = Link(body.url, None if body.sha256 is None else body.sha256.lower())

        def decide(f: Followup) -> EvidenceAdded | None:
            return evidence.add_link(f, by, link, body.note, now)

        async def act(reply: Replying[Added]) -> Added:
            store, context = api.store, api.context
            with problems(followup_id):
                return await handlers.add_link(
                    followup_id, store, context, by, link, decide, traceparent, reply
                )

        return await once(
            api.store.replies, act, lambda added: _answer(added, response), about=followup_id
        )


def _add_download(router: APIRouter, contexts: ApiContexts) -> None:
    @router.get(PATH + "/{evidence_id}", responses=_FILE, response_class=StreamingResponse)
    async def get_file(
        by: Reader,
        followup_id: str,
        evidence_id: str,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """A file, as it was uploaded; its ETag is its SHA-256.

        If the stored content has another SHA-256, the answer breaks off before its end.
        """
        api, followup = await contexts.find(followup_id, by)
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
            detail = (
                "it was erased, or handed in after the copy that the database was restored from"
            )
            raise Problem(410, "evidence-lost", "The content of the evidence is lost", detail)
        return _file(piece, content, if_none_match)


async def _receive(request: Request, upload: Upload) -> None:
    """Stream the body into an upload; a body that is too long is refused with 413 on the way."""
    try:
        async for data in request.stream():
            await upload.write(data)
        if not upload.size:
            raise EmptyFile("the file is empty")
        await upload.finish()
    except ClientDisconnect:
        raise Problem(400, "body-broken-off", "The body broke off") from None


def _name(disposition: str | None, parameter: str | None) -> str:
    if disposition is not None:
        try:
            name = named(disposition)
        except BadDisposition as error:
            raise invalid_field("Content-Disposition", str(error)) from error
        if name is not None:
            return name
    if parameter is None:
        raise invalid_field("name", "a file has a name: Content-Disposition, or ?name=")
    return parameter


def _media_type(header: str | None) -> str:
    if header is None:
        return _DEFAULT_MEDIA_TYPE
    media_type = header.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise invalid_field("Content-Type", "a kind such as application/pdf")
    if media_type.startswith("multipart/"):
        detail = "Send the file itself as the body, not a form that holds it"
        raise Problem(415, "unsupported-media-type", "The body is of another kind", detail)
    return media_type


def _answer(added: Added, response: Response) -> EvidenceItem:
    if not added.is_new:
        response.status_code = 200
    return evidence_item(added.piece)


def _file(
    piece: EvidenceAdded, content: AsyncIterator[bytes], if_none_match: str | None
) -> Response:
    assert piece.name is not None, "a file has a name"
    tag = f'"{piece.sha256}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match and tag in re.split(r"\s*,\s*", if_none_match.replace("W/", "")):
        return Response(status_code=304, headers=headers)
    headers |= {"Content-Disposition": attachment(piece.name), "Content-Length": str(piece.bytes)}
    return StreamingResponse(content, headers=headers, media_type=piece.media_type)
