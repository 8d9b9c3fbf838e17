"""What other systems rely on and services share: the envelope, the events, the topics."""
