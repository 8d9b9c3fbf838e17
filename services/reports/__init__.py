"""Reports: what each province owes before its session, what it sent, and who received it."""
