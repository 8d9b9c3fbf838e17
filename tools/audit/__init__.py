"""Verifies and exports the audit trail: who did what, when, from where and by which authority."""
