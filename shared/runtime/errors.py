"""Errors that pass by themselves have one base, whoever raises them."""


class Transient(Exception):
    """The same again may succeed: something else has to come, to go, or to end first."""
