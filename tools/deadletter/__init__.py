"""Works on the dead letters of a service: `./peygir deadletter --help`.

It uses three sources, none of which is the service's own database:

- The dead-letter topic holds the messages that the service gave up, and the reasons. The tool reads
  it from beginning to end and keeps only the notes of each letter. It reads a message again when a
  command needs it.
- The MongoDB database `deadletters` holds what operators did about a letter, who and why, with the
  mended message and its diff. Only this tool uses it. The collection `letters` has one document per
  letter; `_id` is the service and the origin. A change is a compare-and-set on `revision`: if two
  operators change the same letter, the slower one gets an error. The first change creates the
  database. It holds nothing that a service needs, and is backed up with the others.
- The API of the service has the answer to a replay (`/v1/replays/{id}`, which the service stores in
  the transaction of the effect), and the paused subscriptions (`/v1/subscriptions`).
"""
