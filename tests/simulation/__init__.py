"""Deterministic simulation of the delivery code: one seed, one schedule, the same each time.

The code of `shared.messaging` runs as it is, on a loop whose time is simulated (`loop`), against a
MongoDB and a Kafka in memory (`mongo`, `kafka`) that `test_fakes_*` hold against the real ones. A
seed draws what clients send and what befalls the system (`schedule`, `faults`); two processes of a
small service (`service`, `store`, `cases`) live through it (`world`), and whatever comes of it is
held against the promise by the checker of the tests on real systems (`run`, `tests.promise`).

`python -m tests.simulation --help` says how to run schedules; a failure names the command that
runs it again and tells what happened in it. `regressions` takes single mends out again: the
simulation has to miss each of them.

What it leaves out: more than one database and consumer group, moves between databases, replays of
dead letters, floods, topics that are made anew or cut, and HTTP itself.
"""
