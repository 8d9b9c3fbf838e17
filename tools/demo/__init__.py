"""The whole 1402 season, end to end, in simulated time, and an independent count of its outcome."""
