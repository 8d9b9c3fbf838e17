"""How notices reach people: addresses, mails in Persian, and SMTP."""
