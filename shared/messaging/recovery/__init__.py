"""Recovery of a database that was restored from an older copy, from its own topics."""
