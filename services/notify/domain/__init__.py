"""Who is notified of what, and what becomes of each notice. Pure: `now` is passed in."""
