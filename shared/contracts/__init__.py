"""What outsiders rely on, and all that services share of the domain: envelope, events, topics."""
