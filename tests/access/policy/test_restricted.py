"""Nothing of a restricted axis reaches whoever is not cleared for it, by any of seven ways.

These are answers, exports, pictures, errors, events, logs and metrics.
"""

from __future__ import annotations

import html
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import httpx

from deploy.local.cluster import Cluster
from shared.runtime.access import Action, Who, reach
from tests.access.policy.walk import Operation, body_of, operations, path_of
from tests.access.policy.world import RESTRICTED, World, principal
from tests.component.harness import eventually, records, topics_of

SIDES: Final = ("own", "other")
_EXPORTS: Final = (".csv", ".xlsx")


def _forms(text: str) -> Iterator[bytes]:
    """A text as it may be written in JSON, addresses, pages and pictures."""
    yield text.encode()
    yield json.dumps(text)[1:-1].encode()
    yield quote(text).encode()
    yield html.escape(text).encode("ascii", "xmlcharrefreplace")


def _holds(content: bytes, side: str) -> bool:
    return any(form in content for form in _forms(RESTRICTED[side]))


def _content(answer: httpx.Response) -> bytes:
    """The head and the body of an answer; those of a workbook are unpacked."""
    head = b"\n".join(name + b": " + value for name, value in answer.headers.raw)
    body = answer.content
    if zipfile.is_zipfile(io.BytesIO(body)):
        with zipfile.ZipFile(io.BytesIO(body)) as workbook:
            body = b"\n".join(workbook.read(name) for name in workbook.namelist())
    return head + b"\n" + body


def _way(operation: Operation, answer: httpx.Response) -> str:
    if answer.is_error:
        return "error"
    if operation.path.endswith(_EXPORTS):
        return "export"
    return "picture" if operation.path.endswith(".svg") else "answer"


def _is_cleared(who: Who, side: str) -> bool:
    cleared = reach(principal(who), Action.READ_RESTRICTED)
    return cleared.everything or (side == "own" and bool(cleared.provinces))


async def test_nothing_of_a_restricted_axis_reaches_who_is_not_cleared(
    world: World, cluster: Cluster
) -> None:
    ways: Counter[str] = Counter()
    leaks: list[tuple[str, ...]] = []
    shown: set[tuple[Who, str]] = set()

    async def ask(operation: Operation, who: Who, at: str) -> None:
        answer = await world.ask(
            operation.service,
            who,
            operation.method,
            path_of(world, operation, who, at),
            body_of(operation),
            **dict.fromkeys(operation.required, "a"),
        )
        way, content = _way(operation, answer), _content(answer)
        for side in SIDES:
            if _is_cleared(who, side):
                if _holds(content, side):
                    shown.add((who, side))
                continue
            ways[way] += 1
            if _holds(content, side):
                leaks.append((way, who, side, operation.method, operation.path))

    for operation in await operations(world):
        for who in Who:
            for at in SIDES if operation.is_item else ("own",):
                await ask(operation, who, at)

    topics = topics_of(world.services["reports"].environment["PEYGIR_NAMESPACE"])

    async def published() -> bool:
        counted = await records(cluster, topics.reports_restricted)
        return len(counted) == len(SIDES)

    await eventually(published, 30, "the events of both reports")
    for record in await records(cluster, *(topic.name for topic in topics.all())):
        head = b"\n".join(name.encode() + b": " + (raw or b"") for name, raw in record.headers)
        content = b"\n".join((record.key or b"", head, record.value or b""))
        ways["event"] += 1
        leaks += [("event", record.topic, side) for side in SIDES if _holds(content, side)]
    for name, service in world.services.items():
        metrics = (await service.http.get("/metrics")).content
        for way, content in (("metric", metrics), ("log", service.log.encode())):
            ways[way] += len(content.splitlines())
            leaks += [(way, name, side) for side in SIDES if _holds(content, side)]

    assert leaks == []
    assert shown == {(who, side) for who in Who for side in SIDES if _is_cleared(who, side)}
    assert min(ways.values()) > 10, ways
    assert ways.keys() == {"answer", "export", "picture", "error", "event", "log", "metric"}
    print(f"looked for it in {ways}")
