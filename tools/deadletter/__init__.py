"""Works on the dead letters of a service: `./peygir deadletter --help`.

It uses three sources, none of which is the service's own database:

- the dead-letter topic: what was given up, and why. It is read from beginning to end; of each
  letter only the notes are kept, and its body is read again when it is needed.
- a small MongoDB database of the tool's own, `deadletters`: what operators did about a letter, by
  whom and why, with the mended message and its difference. One document per letter (collection
  `letters`, `_id` is service and origin), changed by compare-and-set on its `revision`, so that the
  slower of two operators gets an error. It is created by the first change, holds nothing that a
  service needs, and is backed up with the others.
- the service's HTTP: what became of a replay (`/v1/replays/{id}`, kept by the service in the
  transaction of the effect), and which subscriptions are paused (`/v1/subscriptions`).
"""
