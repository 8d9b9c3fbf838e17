"""The delivery promise, in one folder: an acknowledged event takes effect exactly once.

Read in this order: records (the words), ledger (one transaction: state, events, position),
consumer (Kafka in), relay (Kafka out), deadletters, leases, recovery (after a restored copy).
"""
