"""What the services share: contracts, runtime, and the delivery promise."""
