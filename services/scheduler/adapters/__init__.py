"""The Persian texts of what the service refuses."""
