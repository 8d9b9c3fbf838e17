"""What a follow-up is, what may happen to it, when it is overdue. Pure: `now` is passed in."""
