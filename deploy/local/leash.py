"""Becomes the command that it is given, after it has asked to die with its parent.

`python -I leash.py <parent's pid> <pipe> <command> …`: the process keeps its id, so there is no
wrapper between the runner and a part. The kernel sends SIGKILL when the parent's *thread* that
started this process ends (prctl(2), PR_SET_PDEATHSIG), however it ends. The parent's end of the
pipe closes when the command has taken over; until then that thread has to live.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, sign: signal.Signals) -> None:
    """Ask for `sign` when the parent ends; exits if it has ended already."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(sign), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit("the parent is gone")


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]), signal.SIGKILL)
    os.set_inheritable(int(sys.argv[2]), False)
    os.execvp(sys.argv[3], sys.argv[3:])
