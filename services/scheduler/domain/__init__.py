"""What a season, a session and a resolution are, and what may happen to them. Pure."""
