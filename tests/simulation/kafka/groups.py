"""A consumer group, as its coordinator sees it: who is a member, and who has which partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from aiokafka.structs import TopicPartition

from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.kafka.cluster import Brokers

SESSION_SECONDS: Final = 6.0
_JOINS_WITHIN: Final = 1.0


class Member(Protocol):
    """A consumer, as the coordinator knows it."""

    process: Process
    order: int

    @property
    def topics(self) -> Sequence[str]:
        """What it reads."""
        ...

    def prepare(self) -> None:
        """Give up what it has; a rebalance begins."""
        ...

    def assign(self, partitions: Sequence[TopicPartition], generation: int) -> None:
        """Take these from now on."""
        ...


class Group:
    """Its members, its generation, and its committed offsets."""

    def __init__(self, brokers: Brokers, name: str) -> None:
        self.name = name
        self.generation = 0
        self.offsets: dict[TopicPartition, int] = {}
        self.members: list[Member] = []
        self._brokers = brokers
        self._joining = False

    def is_stable(self, members: int) -> bool:
        """Whether so many are members, none of them dead, and none is waited for."""
        alive = [member for member in self.members if not member.process.stopped]
        return not self._joining and len(alive) == len(self.members) == members

    def join(self, member: Member) -> None:
        """A consumer comes, or comes back."""
        if member not in self.members:
            self.members.append(member)
        self.rebalance()

    def leave(self, member: Member) -> None:
        """A consumer goes, by its own word."""
        if member in self.members:
            self.members.remove(member)
            self.rebalance()

    def expire(self, member: Member, after: float = SESSION_SECONDS) -> None:
        """Count a member as gone if it is still dead or asleep when its session ends."""
        self._brokers.loop.at(after, self._expired, member)

    def _expired(self, member: Member) -> None:
        if member.process.stopped and member in self.members:
            self.members.remove(member)
            self.rebalance()

    def rebalance(self) -> None:
        """Share the partitions out anew; the members hear of it one by one."""
        if self._joining:
            return
        self._joining = True
        loop = self._brokers.loop
        for member in self.members:
            loop.at(self._brokers.rng.random() * 0.3, self._tell, member)
        loop.at(0.3 + self._brokers.rng.random() * _JOINS_WITHIN, self._share)

    def _tell(self, member: Member) -> None:
        if not member.process.stopped:
            member.prepare()

    def _share(self) -> None:
        asleep = [member for member in self.members if member.process.stopped]
        if asleep:  # whoever does not join is waited for until its session ends
            self._brokers.loop.at(0.2, self._share)
            return
        self._joining = False
        self.generation += 1
        members = sorted(self.members, key=lambda member: member.order)
        if not members:
            return
        shares: dict[int, list[TopicPartition]] = {member.order: [] for member in members}
        for topic in dict.fromkeys(topic for member in members for topic in member.topics):
            for partition in self._brokers.topics.get(topic, ()):
                taker = members[partition.number % len(members)]
                shares[taker.order].append(TopicPartition(topic, partition.number))
        for member in members:
            member.assign(shares[member.order], self.generation)
