"""Spreadsheets as programs of other makers save them."""
