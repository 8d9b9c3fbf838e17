"""How notices reach people: addresses, wording, and SMTP."""
