"""The services: a folder each, with the same files in each."""
