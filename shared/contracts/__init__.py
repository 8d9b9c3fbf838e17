"""What outsiders rely on: the envelope, the events, the topics. All that services share of the domain."""
