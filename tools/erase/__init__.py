"""Erases texts of reports and files of evidence, for good: after a restore, erases them again."""
