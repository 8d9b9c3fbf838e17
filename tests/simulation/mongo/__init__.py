"""A MongoDB in memory: a replica set with its driver, as far as the delivery code uses them."""
