"""The peer: a bare aiokafka + pydantic + motor loop that writes state and event, and a relay.

What one writes in an afternoon, with the same libraries: no transaction, no position with the
effect, no dead letters, no conflict, no history. Run as `python -m tests.bench.bare`.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import BaseModel

from shared.runtime.mongo import Collection, connect


class Approved(BaseModel):
    """The event, as far as the peer knows it."""

    resolution_id: str
    deputy: str
    title: str
    approved_at: str
    due_on: str
    session_id: str | None = None
    province: str | None = None
    axis: str | None = None
    text: str | None = None


async def consume(
    topic: str, bootstrap: str, states: Collection, outbox: Collection | None
) -> None:
    """Read batches; insert a state each and, where there is an outbox, an event; commit."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"bare-{topic}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    print("ready", flush=True)
    while True:
        batches = await consumer.getmany(timeout_ms=20, max_records=2_000)
        records = [record for batch in batches.values() for record in batch]
        if not records:
            continue
        approved = [Approved.model_validate_json(record.value) for record in records]
        await states.insert_many([{"_id": a.resolution_id, **a.model_dump()} for a in approved])
        if outbox is not None:
            await outbox.insert_many([_event(a) for a in approved])
        await consumer.commit()


def _event(approved: Approved) -> dict[str, Any]:
    data = {"followup_id": str(uuid.uuid4()), "state": "opened", **approved.model_dump()}
    return {"key": approved.resolution_id, "data": json.dumps(data, ensure_ascii=False).encode()}


async def relay(topic: str, bootstrap: str, outbox: Collection) -> None:
    """Send what is in the outbox and delete it once Kafka has acknowledged."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    while True:
        rows = await outbox.find().sort("_id").limit(2_000).to_list(None)
        if not rows:
            await asyncio.sleep(0.02)
            continue
        sent = [
            await producer.send(
                topic,
                row["data"],
                key=row["key"].encode(),
                headers=[
                    ("ce_specversion", b"1.0"),
                    ("ce_id", str(row["_id"]).encode()),
                    ("ce_source", b"/bare"),
                    ("ce_type", b"peygir.FollowupOpened.v1"),
                ],
            )
            for row in rows
        ]
        await asyncio.gather(*sent)
        await outbox.delete_many({"_id": {"$in": [row["_id"] for row in rows]}})


async def main() -> None:
    """Both at once, in one process, as the service runs them; without BARE_OUT no event at all."""
    client = connect(os.environ["BARE_MONGODB_URI"], app="bare")
    database = client[os.environ["BARE_DATABASE"]]
    bootstrap = os.environ["BARE_BOOTSTRAP"]
    target = os.environ["BARE_OUT"]
    outbox = database["outbox"] if target else None
    async with asyncio.TaskGroup() as group:
        group.create_task(consume(os.environ["BARE_IN"], bootstrap, database["followups"], outbox))
        if outbox is not None:
            group.create_task(relay(target, bootstrap, outbox))


if __name__ == "__main__":
    asyncio.run(main())
