"""Notices: one mail an event and recipient, in Persian, until the mail server has taken it."""
