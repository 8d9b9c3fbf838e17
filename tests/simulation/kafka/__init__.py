"""A Kafka in memory: brokers, producers and consumers, as far as the delivery code uses them."""
