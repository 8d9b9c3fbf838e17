"""Laws about what databases, API, dead letters and Kafka hold once the system is at rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.promise.history import History, Outcome, Place
from tests.promise.violations import Kind, Violation


def what_is_committed_is_published(history: History) -> Iterator[Violation]:
    """The events of the commit records are those in the topics, by id and topic."""
    if history.committed is None:
        return
    committed = {(event.topic, event.id): event for event in history.committed}
    told = {(event.place.topic, event.id): event for event in history.told}
    for (topic, id_), record in committed.items():
        event = told.get((topic, id_))
        if event is None:
            detail = f"{record.aggregate} version {record.version}: committed, not in {topic}"
            yield Violation(Kind.LOST, id_, detail)
        elif (event.aggregate, event.version) != (record.aggregate, record.version):
            detail = f"committed as {record.aggregate} {record.version}, told otherwise"
            yield Violation(Kind.DOUBLED, id_, detail)
    for topic, id_ in told.keys() - committed.keys():
        yield Violation(Kind.LOST, id_, f"in {topic}, and no commit record holds it")


def states_are_as_told(history: History) -> Iterator[Violation]:
    """Each aggregate is in one database, once, at its last published version."""
    if history.states is None:
        return
    last: defaultdict[str, int] = defaultdict(int)
    last_in: defaultdict[tuple[str, str], int] = defaultdict(int)
    for event in history.told:
        place = event.place.topic, event.aggregate
        last[event.aggregate] = max(last[event.aggregate], event.version)
        last_in[place] = max(last_in[place], event.version)
    stored = Counter(state.aggregate for state in history.states)
    about = Counter((state.database, state.about) for state in history.states)
    for aggregate, times in stored.items():
        if times > 1:
            yield Violation(Kind.DOUBLED, aggregate, f"stored {times} times")
    for (database, name), times in about.items():
        if times > 1:
            yield Violation(Kind.DOUBLED, name, f"{times} aggregates in {database}")
    for state in history.states:
        found = last_in[state.topic, state.aggregate] if state.topic else last[state.aggregate]
        if found != state.version:
            detail = f"version {state.version} in {state.database}, told up to {found}"
            yield Violation(Kind.LOST, f"{state.about} ({state.aggregate})", detail)
    for aggregate in last.keys() - stored.keys():
        yield Violation(Kind.LOST, aggregate, "told of, and stored nowhere")


def the_api_shows_what_is_stored(history: History) -> Iterator[Violation]:
    """What the API shows is what the databases hold."""
    if history.states is None or history.shown is None:
        return
    stored = Counter((state.aggregate, state.about, state.version) for state in history.states)
    shown = Counter((state.aggregate, state.about, state.version) for state in history.shown)
    for (aggregate, about, version), times in (stored - shown).items():
        name = f"{about} ({aggregate})"
        yield Violation(Kind.LOST, name, f"version {version}: stored, not shown ({times})")
    for (aggregate, about, version), times in (shown - stored).items():
        name = f"{about} ({aggregate})"
        yield Violation(Kind.DOUBLED, name, f"version {version}: shown, not stored ({times})")


def each_poison_is_a_dead_letter(history: History) -> Iterator[Violation]:
    """Each poison that Kafka holds has a dead letter with its place, and nothing else has one."""
    written = Counter(letter.origin for letter in history.letters)
    reasons: defaultdict[Place, set[str]] = defaultdict(set)
    for letter in history.letters:
        reasons[letter.origin].add(letter.reason)
    expected = _poison(history)
    for place, reason in expected.items():
        if place not in written:
            yield Violation(Kind.POISON, str(place), f"{reason}: no dead letter")
        elif reasons[place] != {reason}:
            yield Violation(Kind.POISON, str(place), f"{reason}: is {sorted(reasons[place])}")
    for place in written.keys() - expected.keys():
        yield Violation(Kind.POISON, str(place), f"no poison: {sorted(reasons[place])}")
    if history.most_letters is not None:
        for place, times in written.items():
            if times > history.most_letters:
                yield Violation(Kind.POISON, str(place), f"{times} dead letters")


def nothing_is_left_to_do(history: History) -> Iterator[Violation]:
    """Nothing waits to be published, and no group has a lag."""
    for commit in history.pending:
        yield Violation(Kind.PENDING, commit, "not published at rest")
    for lag in history.lags:
        if lag.behind != 0:
            place = f"{lag.topic} {lag.partition}"
            detail = f"{lag.behind} behind by {lag.by or 'its own word'}"
            yield Violation(Kind.LAG, f"{lag.group} in {place}", detail)


def figures_are_as_counted(history: History) -> Iterator[Violation]:
    """The counters of a service equal a count over the topics."""
    for count in history.counts:
        if count.told != count.counted:
            name = f"{count.name} of {count.subject}"
            yield Violation(Kind.SCORECARD, name, f"tells {count.told}, counted {count.counted}")


def _poison(history: History) -> dict[Place, str]:
    """The reason of each poison by its place; if its outcome is unknown, by what arrived."""
    arrived: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)
    for record in history.arrived or ():
        arrived[record.place.topic, record.id].append(record.place)
    expected: dict[Place, str] = {}
    for sent in history.sent:
        if sent.refusal is None or sent.outcome is Outcome.ABORTED:
            continue
        places = [sent.place] if sent.place is not None else arrived.get((sent.topic, sent.id), [])
        expected |= dict.fromkeys(places, sent.refusal)
    return expected
