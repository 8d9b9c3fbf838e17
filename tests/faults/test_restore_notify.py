"""A mongod restored from an older copy under the notices: no mail goes out a second time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.local.cluster import Cluster
from tests.component.harness import Producer, Service, create_topics, eventually, records
from tests.component.test_notify import approval
from tests.faults.reader import ids_by_version
from tests.faults.test_restore import all_published, back_up, restore
from tests.unit.notify.mailserver import OK, Server

LATER = "451 4.7.1 come back later"
NEVER = "550 5.1.1 نشانی ناشناس"
ADDRESS = "deputy.{}@peygir.example"


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_what_was_delivered_after_the_copy_is_not_sent_again(
    cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    topics = create_topics(cluster, namespace)
    database = f"{namespace}notify"
    async with Server() as server, Producer(cluster) as producer:
        server.answers_to = {ADDRESS.format("social"): LATER, ADDRESS.format("crisis"): NEVER}
        settings = {"PEYGIR_SMTP_PORT": str(server.port), "PEYGIR_MAIL_RETRY_SECONDS": "0.5"}
        async with Service("notify", cluster, namespace, test_folder, **settings) as service:

            async def approve(deputy: str, *ids: str) -> None:
                topic = topics.resolutions(deputy)
                for id_ in ids:
                    data = approval(id_, deputy)
                    await producer.event(topic, "ResolutionApproved", data, key=id_, id_=id_)

            async def stored() -> dict[str, tuple[Any, ...]]:
                """What became of each, but when, and how often one was put off before."""
                items = await service.items("/v1/notices")
                return {i["subject"]: (i["state"], i["version"], i["reason"]) for i in items}

            async def reach(**states: str) -> None:
                async def reached() -> bool:
                    found = await stored()
                    return all(found.get(id_, ("",))[0] == state for id_, state in states.items())

                await eventually(reached)

            await approve("civil", "early")
            await approve("social", "put-off")
            await reach(**{"early": "delivered", "put-off": "pending"})
            await all_published(cluster, database)
            copy = await back_up(cluster, test_folder / "copy-of-notices")
            await service.ready()

            # What comes after it: delivered at last, delivered at once, and refused.
            server.answers_to[ADDRESS.format("social")] = OK
            late = [f"late-{n}" for n in range(30)]
            await approve("civil", *late)
            await approve("crisis", "refused")
            await reach(**dict.fromkeys([*late, "put-off"], "delivered"), refused="failed")
            await all_published(cluster, database)
            before, mails = await stored(), len(server.taken)
            assert mails == len(late) + 2
            told = ids_by_version(await records(cluster, topics.notices))
            server.answers_to = {}  # whatever is sent from now on is taken

            await restore(cluster, copy, service)

            async def equal() -> bool:
                return await stored() == before

            await eventually(equal, 30, "the same notices as before")
            await approve("civil", "new")
            await reach(new="delivered")
            await all_published(cluster, database)
            assert len(server.taken) == mails + 1, "the new one alone"
            after = ids_by_version(await records(cluster, topics.notices))
            assert {place: after[place] for place in told} == told
            assert (len(after), {len(ids) for ids in after.values()}) == (len(told) + 1, {1})
