"""Command-line tools for operators and developers; run as `python -m tools.<name>`."""
