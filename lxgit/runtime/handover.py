"""A running container's root, handed by its supervisor to commands that copy files.

A command has no other way to it: the supervisor's mounts are its own, and to look at them through
/proc a process must be root of the host, or of the user namespace that they were made in, which
each command of an ordinary user has another of (rootless.py). Who may connect is told by the
socket's mode and by the directory that it is in (unix(7)).
"""

from __future__ import annotations

import errno
import os
import socket

from lxgit.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.runtime.loop import Loop

_NAME = "root"


def offer(loop: Loop, directory: Path, root: Path) -> None:
    """Have whoever asks get the directory `root`, as long as the loop turns.

    `directory` is the container's own in /run/lxgit.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(directory / _NAME))
    listener.listen()

    def hand_over() -> None:
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            channel, _ = listener.accept()
            with channel, suppress(ConnectionError):  # it has gone again
                socket.send_fds(channel, [b"r"], [fd])
        finally:
            os.close(fd)

    loop.listen(listener, hand_over)


def receive(directory: Path) -> int:
    """The root of the container with that directory. OSError when nobody offers it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.connect(os.fspath(directory / _NAME))
        _, descriptors, flags, _ = socket.recv_fds(channel, 1, 1)
    if flags & socket.MSG_CTRUNC:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    if not descriptors:
        raise ConnectionResetError
    os.set_inheritable(descriptors[0], False)  # noqa: FBT003 - recvmsg(2) leaves it open for execve
    return descriptors[0]
