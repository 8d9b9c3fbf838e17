"""The base class of errors that pass by themselves."""


class Transient(Exception):
    """A retry may succeed, once some other condition has changed."""
