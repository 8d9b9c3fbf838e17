"""Works on the dead letters of a service: `./peygir deadletter --help`.

Three things are asked, and none of them is the service's own database:

- the dead-letter topic: what was given up, and why. It is read whole; of each letter only its
  notes are kept, its body is read again where it is wanted.
- a small MongoDB database of the tool's own, `deadletters`: what operators did about a letter, by
  whom and why, with the mended message and its difference. One document a letter (collection
  `letters`, `_id` is service and origin), changed by compare-and-set on its `revision`, so that
  of two operators one is told that the other was faster. It is created by the first change, holds
  nothing that a service needs, and is backed up with the others.
- the service's HTTP: what became of a replay (`/v1/replays/{id}`, kept by the service in the
  transaction of the effect), and which subscriptions are paused (`/v1/subscriptions`).
"""
