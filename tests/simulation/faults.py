"""What each kind of fault does to the system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiokafka.structs import TopicPartition

from tests.simulation.cases import TOLD
from tests.simulation.kafka.log import Partition
from tests.simulation.schedule import Fault
from tests.simulation.service import GROUP, INPUT

if TYPE_CHECKING:
    from tests.simulation.world import World

_REPLICAS: Final = 2
_SMALL_BATCH: Final = 1_200  # bytes: some events go alone, several do not
_LARGEST_BATCH: Final = 1_048_576

Befall = Callable[["World", Fault], None]


def befall(world: World, fault: Fault) -> None:
    """Let something befall the system; it passes by itself."""
    _KINDS[fault.kind](world, fault)


# -- processes ----------------------------------------------------------------------------------


def _kill(world: World, fault: Fault) -> None:
    world.kill(fault.which % _REPLICAS, fault.seconds)


def _freeze(world: World, fault: Fault) -> None:
    replica = world.replicas[fault.which % _REPLICAS]
    if replica.process.alive and not replica.process.asleep:
        world.loop.freeze(replica.process, fault.seconds)
        replica.kafka.fell_asleep()
        world.loop.at(fault.seconds, replica.kafka.woke_up)
        world.letters_may += 1


def _set_clock(world: World, fault: Fault) -> None:
    which = fault.which % _REPLICAS
    world.replicas[which].clock.skew += timedelta(seconds=fault.seconds * (1 - 2 * which))


def _rebalance(world: World, fault: Fault) -> None:
    world.brokers.group(GROUP).rebalance()
    world.letters_may += 1


def _restore(world: World, fault: Fault) -> None:
    world.restore(fault.seconds)


# -- MongoDB ------------------------------------------------------------------------------------


def _fall(world: World, fault: Fault) -> None:
    seen = fault.kind == "mongo-killed"
    world.server.fall(fault.seconds, keep=fault.share, seen=seen)


def _mongo(name: str, world: World, fault: Fault) -> None:
    server = world.server
    server.weather = replace(server.weather, **{name: fault.share})

    def calm() -> None:
        server.weather = replace(server.weather, **{name: 0.0})

    world.loop.at(fault.seconds, calm)


def _stall(world: World, fault: Fault) -> None:
    server = world.server
    until = world.loop.time() + fault.seconds
    server.weather = replace(server.weather, stalled_until=until)


def _cut(world: World, fault: Fault) -> None:
    client = world.replicas[fault.which % _REPLICAS].client
    client.cut = True
    world.loop.at(fault.seconds, setattr, client, "cut", False)


# -- Kafka --------------------------------------------------------------------------------------


def _away(world: World, fault: Fault) -> None:
    world.brokers.away(fault.seconds)


def _kafka(name: str, world: World, fault: Fault) -> None:
    brokers = world.brokers
    changes: dict[str, Any] = {name: fault.share}
    brokers.weather = replace(brokers.weather, **changes)

    def calm() -> None:
        changes[name] = 0.0
        brokers.weather = replace(brokers.weather, **changes)

    world.loop.at(fault.seconds, calm)


def _place(fault: Fault) -> TopicPartition:
    return TopicPartition(TOLD if fault.which < 2 else INPUT, fault.which % 2)


def _lead_anew(world: World, fault: Fault) -> None:
    world.brokers.lead_anew(_place(fault), fault.seconds)


def _few_replicas(world: World, fault: Fault) -> None:
    _for_a_time(world, _place(fault), fault, "enough_replicas", (False, True))


def _broken(world: World, fault: Fault) -> None:
    _for_a_time(world, TopicPartition(TOLD, fault.which % 2), fault, "broken", (True, False))


def _small_batches(world: World, fault: Fault) -> None:
    place = TopicPartition(TOLD, fault.which % 2)
    _for_a_time(world, place, fault, "largest_batch", (_SMALL_BATCH, _LARGEST_BATCH))


def _for_a_time(
    world: World, place: TopicPartition, fault: Fault, name: str, values: tuple[Any, Any]
) -> None:
    partition: Partition = world.brokers.partition(place)
    setattr(partition, name, values[0])
    world.loop.at(fault.seconds, setattr, partition, name, values[1])


_KINDS: Final[Mapping[str, Befall]] = {
    "kill": _kill,
    "freeze": _freeze,
    "clock": _set_clock,
    "rebalance": _rebalance,
    "restore": _restore,
    "mongo-stepdown": _fall,
    "mongo-killed": _fall,
    "mongo-requests-lost": partial(_mongo, "request_lost"),
    "mongo-answers-lost": partial(_mongo, "answer_lost"),
    "mongo-slow": partial(_mongo, "slow"),
    "mongo-lag": partial(_mongo, "lag"),
    "mongo-stall": _stall,
    "mongo-cut": _cut,
    "kafka-away": _away,
    "kafka-requests-lost": partial(_kafka, "request_lost"),
    "kafka-answers-lost": partial(_kafka, "answer_lost"),
    "kafka-slow": partial(_kafka, "slow"),
    "kafka-answers-late": partial(_kafka, "answers_after"),
    "kafka-reads-fail": partial(_kafka, "reads_fail"),
    "kafka-leader": _lead_anew,
    "kafka-few-replicas": _few_replicas,
    "kafka-broken": _broken,
    "kafka-small-batches": _small_batches,
}
