"""`python -m tools.deadletter`"""

from __future__ import annotations

from tools.deadletter.commands import app

if __name__ == "__main__":
    app(prog_name="python -m tools.deadletter")
