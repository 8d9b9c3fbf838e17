"""Who has which rights in Kafka and MongoDB, and the commands that grant them."""
