"""Command-line tools for operators and developers; run as `./peygir <name>`.

In the image, which has no checkout: `python -m tools.<name>`.
"""
