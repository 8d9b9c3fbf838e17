"""What one MongoDB transaction commits together: state, events, positions, leases and replies."""
