"""Moves follow-ups between deputies, to merge two or to dissolve one."""
