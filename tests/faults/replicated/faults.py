"""The faults: what is done to which part, for how long, and how it is undone."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from deploy.local.cluster import Name
from tests.component.harness import Service
from tests.faults.replicated.arena import Arena, off

FROZEN_SECONDS: Final = 17.0  # longer than every lease, session and election
SHORT_SECONDS: Final = 5.0

Heal: TypeAlias = Callable[[], Awaitable[None]]
Strike: TypeAlias = Callable[[Arena, int], Awaitable[Heal]]
Victims: TypeAlias = Callable[[Arena, int], Awaitable[tuple[Name, ...]]]
Direction: TypeAlias = Literal["both", "requests", "answers"]

_BROKERS: Final[tuple[Name, ...]] = ("kafka-1", "kafka-2", "kafka-3")
_MEMBERS: Final[tuple[Name, ...]] = ("mongod-1", "mongod-2", "mongod-3")


@dataclass(frozen=True, slots=True)
class Fault:
    """What strikes, and how long it lasts in seconds."""

    strike: Strike
    seconds: float = SHORT_SECONDS


# -- whom it strikes ----------------------------------------------------------------------------


async def broker(_: Arena, turn: int) -> tuple[Name, ...]:
    return (_BROKERS[turn % 3],)


async def two_brokers(_: Arena, turn: int) -> tuple[Name, ...]:
    return (_BROKERS[turn % 3], _BROKERS[(turn + 1) % 3])


async def primary(arena: Arena, _: int) -> tuple[Name, ...]:
    return (await off(arena.cluster.mongod_primary),)


async def secondary(arena: Arena, turn: int) -> tuple[Name, ...]:
    first = await off(arena.cluster.mongod_primary)
    return ([name for name in _MEMBERS if name != first][turn % 2],)


async def two_members(arena: Arena, turn: int) -> tuple[Name, ...]:
    """The primary and another one."""
    return (*await primary(arena, turn), *await secondary(arena, turn))


async def broker_and_primary(arena: Arena, turn: int) -> tuple[Name, ...]:
    return (*await broker(arena, turn), *await primary(arena, turn))


# -- what it does -------------------------------------------------------------------------------


def killed(victims: Victims) -> Strike:
    """SIGKILL; started again afterwards."""

    async def strike(arena: Arena, turn: int) -> Heal:
        names = await victims(arena, turn)
        await off(arena.cluster.kill, *names)
        return lambda: off(arena.cluster.start, *names)

    return strike


def frozen(victims: Victims) -> Strike:
    """SIGSTOP; it goes on afterwards as if no time had passed."""

    async def strike(arena: Arena, turn: int) -> Heal:
        names = await victims(arena, turn)
        await off(arena.cluster.pause, *names)
        return lambda: off(arena.cluster.resume, *names)

    return strike


async def stepped_down(arena: Arena, _: int) -> Heal:
    """The primary gives way to another."""
    await off(arena.cluster.step_down)
    return _nothing


def disk_full(names: Sequence[Name]) -> Strike:
    """Not a byte is left where it writes. It may end, and is started again afterwards."""

    async def strike(arena: Arena, _: int) -> Heal:
        (name,) = (name for name in arena.disks if name in names)
        await off(arena.disks[name].fill)

        async def heal() -> None:
            if arena.cluster.is_running(name):  # it stood that: as an operator would, start anew
                await off(arena.cluster.kill, name)
            await off(arena.disks[name].free)
            await off(arena.cluster.start, name)

        return heal

    return strike


def cut(victims: Victims, direction: Direction = "both") -> Strike:
    """No byte gets through between it and anybody."""

    async def strike(arena: Arena, turn: int) -> Heal:
        for name in await victims(arena, turn):
            await off(arena.cluster.network.cut, name, direction=direction)
        return lambda: off(arena.cluster.network.heal)

    return strike


def slow(victims: Victims, milliseconds: int = 300) -> Strike:
    """Each answer takes longer."""

    async def strike(arena: Arena, turn: int) -> Heal:
        for name in await victims(arena, turn):
            await off(arena.cluster.network.slow, name, milliseconds, milliseconds // 3)
        return lambda: off(arena.cluster.network.heal)

    return strike


def narrow(victims: Victims, kilobytes: int = 64) -> Strike:
    """So many kilobytes a second get through."""

    async def strike(arena: Arena, turn: int) -> Heal:
        for name in await victims(arena, turn):
            await off(arena.cluster.network.narrow, name, kilobytes)
        return lambda: off(arena.cluster.network.heal)

    return strike


def broken_off(victims: Victims, after_bytes: int = 2_000) -> Strike:
    """Every connection is reset in the middle of what it carries."""

    async def strike(arena: Arena, turn: int) -> Heal:
        for name in await victims(arena, turn):
            await off(arena.cluster.network.reset, name, after_bytes)
        return lambda: off(arena.cluster.network.heal)

    return strike


def services_killed(number: int) -> Strike:
    """SIGKILL to so many replicas."""

    async def strike(arena: Arena, turn: int) -> Heal:
        victims = _replicas(arena, turn, number)
        for service in victims:
            await off(service.kill)

        async def heal() -> None:
            for service in victims:
                await off(service.launch)

        return heal

    return strike


def services_frozen(number: int) -> Strike:
    """SIGSTOP to so many replicas."""

    async def strike(arena: Arena, turn: int) -> Heal:
        victims = _replicas(arena, turn, number)
        for service in victims:
            arena.signal(service, signal.SIGSTOP)

        async def heal() -> None:
            for service in victims:
                arena.signal(service, signal.SIGCONT)

        return heal

    return strike


def together(*strikes: Strike) -> Strike:
    """Several at once."""

    async def strike(arena: Arena, turn: int) -> Heal:
        heals = [await one(arena, turn) for one in strikes]

        async def heal() -> None:
            for one in heals:
                await one()

        return heal

    return strike


async def _nothing() -> None:
    """What passes by itself."""


def _replicas(arena: Arena, turn: int, number: int) -> list[Service]:
    return [arena.services[(turn + n) % len(arena.services)] for n in range(number)]


FAULTS: Final[Mapping[str, Fault]] = {
    "a service killed": Fault(services_killed(1), 1.0),
    "both services killed": Fault(services_killed(2), 2.0),
    "a service frozen": Fault(services_frozen(1), FROZEN_SECONDS),
    "both services frozen": Fault(services_frozen(2), FROZEN_SECONDS),
    "a broker killed": Fault(killed(broker), 3.0),
    "two brokers killed": Fault(killed(two_brokers), 3.0),
    "a broker frozen": Fault(frozen(broker), FROZEN_SECONDS),
    "two brokers frozen": Fault(frozen(two_brokers), FROZEN_SECONDS),
    "the primary killed": Fault(killed(primary), 3.0),
    "a secondary killed": Fault(killed(secondary), 3.0),
    "two members killed": Fault(killed(two_members), 3.0),
    "the primary frozen": Fault(frozen(primary), FROZEN_SECONDS),
    "a secondary frozen": Fault(frozen(secondary), FROZEN_SECONDS),
    "two members frozen": Fault(frozen(two_members), FROZEN_SECONDS),
    "the primary steps down": Fault(stepped_down, 1.0),
    "a broker cut off": Fault(cut(broker), 10.0),
    "a broker's answers cut": Fault(cut(broker, "answers"), 10.0),
    "a broker slow": Fault(slow(broker)),
    "a broker narrow": Fault(narrow(broker)),
    "a broker's connections reset": Fault(broken_off(broker)),
    "the primary cut off": Fault(cut(primary), 10.0),
    "the primary's answers cut": Fault(cut(primary, "answers"), 10.0),
    "the primary slow": Fault(slow(primary)),
    "the primary narrow": Fault(narrow(primary)),
    "the primary's connections reset": Fault(broken_off(primary)),
    "a broker's disk full": Fault(disk_full(_BROKERS), 6.0),
    "a member's disk full": Fault(disk_full(_MEMBERS), 6.0),
    "a broker and the primary killed": Fault(killed(broker_and_primary), 3.0),
    "a service and the primary killed": Fault(together(services_killed(1), killed(primary)), 3.0),
    "a service and a broker killed": Fault(together(services_killed(1), killed(broker)), 3.0),
}
"""Every fault there is, by its name."""

ON_DISKS: Final = frozenset({"a broker's disk full", "a member's disk full"})
"""Those that need disks which can be filled."""
