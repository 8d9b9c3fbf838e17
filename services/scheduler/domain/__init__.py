"""Seasons, sessions and resolutions, and what may happen to them. Pure: `now` is passed in."""
