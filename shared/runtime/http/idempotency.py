"""`Idempotency-Key`: a request that its sender may repeat, and that takes effect once.

Follows the draft of the IETF's httpapi working group (draft-ietf-httpapi-idempotency-key-header),
and the practice of clients: most send the key bare, not as the quoted string of RFC 9651.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from fastapi import Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from shared.runtime.http.bodies import has_long_body
from shared.runtime.idempotent_replies import (
    AlreadyReplied,
    BeingReplied,
    Keyed,
    Replies,
    Reply,
    Replying,
    no_reply,
)
from shared.runtime.identity import Caller
from shared.runtime.principals import Principal
from shared.runtime.problems import FieldError, Problem, claims_json, invalid_header, respond
from shared.runtime.sentences import sentence

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"

_LONGEST: Final = 255
_BARE: Final = re.compile(r"[!#-+\--:<-\[\]-~]+")  # visible characters except " , ; and \
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"(?: *;[ -~]*)?')  # RFC 9651, 3.3.3
_FORM: Final = sentence(
    '1 to {most} visible ASCII characters, such as a UUID, bare or in "quotes"', most=_LONGEST
)
_FINAL_STATUSES: Final = frozenset({403, 409})
_TEMPORARY_SLUGS: Final = frozenset({"busy", "in-progress", "rows-refused", "upload-lost"})
_BODY_HEADERS: Final = ("content-type", "content-disposition")  # of a body read by the route

R = TypeVar("R")
Item = TypeVar("Item", bound=BaseModel)


class Replay(Exception):
    """The request has a reply already, and gets it again."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.keyed.id)
        self.reply = reply


class Once:
    """One request, which takes effect once if its sender gave it a key."""

    def __init__(
        self, request: Request, response: Response, by: Principal, key: str | None
    ) -> None:
        self._request = request
        self._response = response
        self._by = by
        self._key = key

    async def __call__(
        self,
        replies: Replies,
        act: Callable[[Replying[R]], Awaitable[R]],
        show: Callable[[R], Item],
        *,
        about: str | None = None,
        body: str | None = None,
        settled: Callable[[R], bool] = lambda _: True,
    ) -> Item:
        """Act, and return what `show` makes of the result; or repeat the earlier reply.

        `act` gets a function that makes the reply, and commits the reply together with its changes.
        `about` is stored with the reply. `body` is a digest of a body that the route reads itself.
        The reply of a result that is not `settled` is not stored.

        Refusals of the domain (403, 409) are stored too. An invalid request (422) is not, so that
        it can be corrected under its key; nor is a temporary problem; nor a 404, since an event may
        still create what is missing. Raises Replay, and Problem: 422 if the key was used for
        another request, 409 if the same request has no reply yet.
        """
        if self._key is None:
            return show(await act(no_reply))
        keyed = await self._keyed(body)
        if (found := await replies.find(keyed.id)) is not None:
            raise repeated(found, keyed)
        made: list[Reply] = []

        def reply(result: R) -> Reply:
            made.append(self._reply(keyed, show(result), about))
            return made[-1]

        try:
            result = await act(reply)
        except (AlreadyReplied, BeingReplied):
            raise await _concurrent(replies, keyed) from None
        except Problem as problem:
            if problem.status_code in _FINAL_STATUSES and problem.slug not in _TEMPORARY_SLUGS:
                await _store(replies, self._refusal(keyed, problem, about))
            elif (found := await replies.find(keyed.id)) is not None:  # another was faster
                raise repeated(found, keyed) from None
            raise
        if len(made) != 1 and settled(result):  # nothing was committed, or by a later attempt
            await _store(replies, reply(result))
        return show(result)

    async def answer_again(self, replies: Replies) -> None:
        """Repeat the reply, if there is one, before a route reads a body in parts.

        The body is read to compare it, and is not stored. Raises Replay, and Problem 422.
        """
        if self._key is not None and (found := await replies.find(self.id)) is not None:
            digest = hashlib.sha256()
            try:
                async for data in self._request.stream():
                    digest.update(data)
            except ClientDisconnect:
                raise Problem(400, "body-broken-off", "The body broke off") from None
            raise repeated(found, await self._keyed(digest.hexdigest()))

    async def keyed(self, body: str | None = None) -> Keyed | None:
        """The id and the fingerprint of the request; None if it has no key."""
        return None if self._key is None else await self._keyed(body)

    async def _keyed(self, body: str | None) -> Keyed:
        request, by = self._request, self._by
        content: list[object] = [sorted(by.roles), sorted(request.query_params.multi_items())]
        if has_long_body(request.scope):
            content += [request.headers.get(name) for name in _BODY_HEADERS]
        content.append(await _digest(request) if body is None else body)
        return Keyed(self.id, hashlib.sha256(_json(content)).hexdigest())

    @property
    def id(self) -> str:
        """Made of the sender, the address and the key."""
        scope = self._request.scope
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return json.dumps([self._by.id, scope["method"], path, self._key], ensure_ascii=False)

    def require_same(self, found: Reply, keyed: Keyed) -> None:
        """Raises Problem 422 if a part belongs to another request with the same key."""
        if found.keyed.fingerprint != keyed.fingerprint:
            raise repeated(found, keyed)

    def part(self, keyed: Keyed, number: int, body: bytes) -> Reply:
        """The reply stored after one part of a request that takes several commits."""
        id_ = json.dumps([keyed.id, number], ensure_ascii=False)
        return Reply(Keyed(id_, keyed.fingerprint), 202, (), body, about=keyed.id)

    def _reply(self, keyed: Keyed, item: BaseModel, about: str | None) -> Reply:
        route: Any = self._request.scope.get("route")
        status = self._response.status_code or getattr(route, "status_code", None) or 200
        headers = [*self._response.headers.items(), ("content-type", "application/json")]
        kept = [(n, v) for n, v in headers if n != "content-length"]
        body = item.model_dump_json().encode()  # as FastAPI writes it
        return Reply(keyed, status, tuple(kept), body, about)

    def _refusal(self, keyed: Keyed, problem: Problem, about: str | None) -> Reply:
        answer = respond(problem, self._request.scope)
        headers = tuple((n, v) for n, v in answer.headers.items() if n != "content-length")
        return Reply(keyed, answer.status_code, headers, bytes(answer.body), about)


async def once(
    request: Request,
    response: Response,
    by: Caller,
    key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            description="A key of the sender, such as a UUID. For one day, the same request with "
            "the same key takes effect once and gets the same reply; another request with it is "
            "refused with 422.",
        ),
    ] = None,
) -> Once:
    """Dependency of every route that changes something. Raises Problem 400."""
    if len(request.headers.getlist(HEADER)) > 1:
        raise invalid_header(HEADER, _FORM)
    return Once(request, response, by, None if key is None else key_of(key))


Repeatable: TypeAlias = Annotated[Once, Depends(once)]
"""The type of a route's argument that lets its request be repeated."""


def install(app: FastAPI) -> None:
    """Let this app repeat replies."""
    app.add_exception_handler(Replay, _replayed)


def key_of(header: str) -> str:
    """The key in a header. Raises Problem 400."""
    value = header.strip(" \t")
    if (quoted := _QUOTED.fullmatch(value)) is not None:
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(value):
        key = value
    else:
        raise invalid_header(HEADER, _FORM)
    if len(key) > _LONGEST or not key.strip():
        raise invalid_header(HEADER, _FORM)
    return key


async def _replayed(_: Request, error: Exception) -> Response:
    assert isinstance(error, Replay)
    reply = error.reply
    return Response(reply.body, reply.status, {**dict(reply.headers), REPLAYED: "true"})


def repeated(found: Reply, keyed: Keyed) -> Exception:
    """What to raise for a request whose key was used: Replay, or Problem 422."""
    if found.keyed.fingerprint == keyed.fingerprint:
        return Replay(found)
    return Problem(
        422,
        "idempotency-key-reused",
        "The key was used for another request",
        "Whoever asks for something else gives it a key of its own",
        errors=[FieldError(HEADER, "was used for another request")],
    )


async def _concurrent(replies: Replies, keyed: Keyed) -> Exception:
    """What to raise for a request that is being processed elsewhere: Replay or Problem."""
    found = await replies.find(keyed.id)
    if found is not None:
        return repeated(found, keyed)
    return Problem(
        409,
        "in-progress",
        "The same request is being answered",
        "A request with this key is being worked on; ask again for its answer",
        headers={"Retry-After": "1"},
    )


async def _store(replies: Replies, reply: Reply) -> None:
    """Store a reply without a commit. Raises Replay or Problem if another process was faster."""
    try:
        await replies.add(reply)
    except (AlreadyReplied, BeingReplied):
        found = await replies.find(reply.keyed.id)
        if found != reply:
            raise await _concurrent(replies, reply.keyed) from None


async def _digest(request: Request) -> str:
    """The digest of a body; the same for every way to write the same JSON."""
    body = await request.body()
    if body and claims_json(request):
        with suppress(ValueError):  # such as for an integer of thousands of digits
            body = _json(from_json(body))
    return hashlib.sha256(body).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


__all__ = ["HEADER", "REPLAYED", "Once", "Repeatable", "Replay", "install", "key_of", "repeated"]
