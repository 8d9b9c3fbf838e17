"""Spreadsheets as other programs save them."""
