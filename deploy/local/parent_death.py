"""Becomes the command that it is given, after it has asked to die with its parent.

`python -I parent_death.py <parent's pid> <pipe> <file of hosts> <command> …`: the process keeps
its id, so there is no wrapper between the runner and a part. The kernel sends SIGKILL when the
parent's *thread* that started this process ends (prctl(2), PR_SET_PDEATHSIG), however it ends. The
parent's end of the pipe closes when the command has taken over; until then that thread has to
live.

Where a file of hosts is named (else the argument is empty) the process finds it as /etc/hosts, in
a mount namespace of its own: so each member of a replica set can find others at its own addresses.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000


def die_with_parent(parent: int, sign: signal.Signals) -> None:
    """Ask for `sign` when the parent ends; exits if it has ended already."""
    _call("prctl", PR_SET_PDEATHSIG, int(sign), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def see_hosts(file: str) -> None:
    """Have the file in the place of /etc/hosts, in this process alone; OSError where it may not.

    It changes what the process is to the kernel, which forgets `die_with_parent` over it.
    """
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _call("unshare", CLONE_NEWNS)
    else:
        _call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    _call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    _call("mount", os.fsencode(file), b"/etc/hosts", None, MS_BIND, None)


def _call(name: str, *arguments: bytes | int | None) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)


def _write(file: str, text: str) -> None:
    with open(file, "w", encoding="ascii") as opened:  # noqa: PTH123  # starts in a third less
        opened.write(text)


if __name__ == "__main__":
    if sys.argv[3]:
        see_hosts(sys.argv[3])
    die_with_parent(int(sys.argv[1]), signal.SIGKILL)
    os.set_inheritable(int(sys.argv[2]), False)
    os.execvp(sys.argv[4], sys.argv[4:])
