"""What is expected of a province, what it may send, when that is overdue. Pure: `now` is passed."""
