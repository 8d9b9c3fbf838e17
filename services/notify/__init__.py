"""Notices: one mail in Persian per event and recipient, sent until the mail server accepts it."""
