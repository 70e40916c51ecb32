"""Leaving the command that a process was forked from, to outlive it: see daemon(7)."""

from __future__ import annotations

import gc
import os
import signal
import sys

from lxgit.processes import close_all_but


def leave_the_caller(*keep: int) -> None:
    """Keep nothing of whom we were forked from: session, directory, files, signals."""
    gc.freeze()  # collecting one of its file objects would close a descriptor that is ours by now
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    close_all_but({0, 1, 2, *keep})
    # `sys` objects still hold those descriptors, now ours; nothing of them must be flushed.
    sys.stdin = sys.stdout = sys.stderr = open(os.devnull, "r+", encoding="utf-8")  # noqa: SIM115
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
