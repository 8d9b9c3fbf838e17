"""Work at due times, done by one process at a time under a lease."""
