"""Expected reports: what a province may send, and when it is overdue. Pure: `now` is passed in."""
