"""The calendar of sessions and other gatherings, and the resolutions approved in them."""
