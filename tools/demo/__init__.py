"""The whole 1402 season, end to end, in simulated time, and an independent check of its outcome.

Read it in this order:

1. `script.py` writes who does what when; `actions.py` writes what people do to one follow-up.
2. `replay.py` plays the script on running services. `quiescence.py` tells it when nothing moves any
   more.
3. `evidence.py` gathers what came of it.
4. `oracle.py` works out from the script alone what must come of it.
5. `checks/` compares the two.
"""
