"""Whatever text there is in it, what we write is well-formed."""
