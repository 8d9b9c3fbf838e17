"""Delivery: an event that Kafka acknowledged takes effect exactly once.

Read in this order: core.model (the data types), ledger.ledger (one transaction: state, events and
position), inbound.consumer (from Kafka), outbox.relay (to Kafka), inbound.deadletters,
ledger.leases, recovery.recovery (after a restored copy).
"""
