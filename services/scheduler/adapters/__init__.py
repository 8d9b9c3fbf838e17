"""How the service speaks to people: its refusals in Persian."""
