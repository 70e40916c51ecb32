"""How a supervisor leaves: the command that it was forked from (daemon(7)), its clients."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys

from lxgit.errors import LxgitError
from lxgit.processes import close_all_but
from lxgit.records import replace
from lxgit.runtime import kernel, protocol
from lxgit.runtime.config import RESTARTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from lxgit.runtime.containers import Container
    from lxgit.runtime.execution import Execution
    from lxgit.runtime.relay import Relay


def become(
    life: Callable[[], None], container: Container, channel: socket.socket, lock: int
) -> NoReturn:
    """Be a process of the container's own for as long as `life` takes, and exit 0; else 1.

    `channel` is its first client, `lock` its claim: all else that was open is closed.
    """
    try:
        _leave_the_caller(channel.fileno(), lock)
        kernel.set_process_name(b"lxgit:" + container.id[:9].encode())
        life()
        os._exit(0)
    except Exception as error:  # noqa: BLE001  # a fault of lxgit's own, too: nobody else tells of it
        _give_up(container, channel, error)
    finally:
        os._exit(1)


def see_off(relay: Relay, executions: Sequence[Execution], *, is_kept: bool) -> None:
    """Wait until every client has been told everything.

    Where the container `is_kept`, its keeper waits for our end with what comes next, be it another
    life or its own end: then a child of ours does this, with nothing but the connections.
    """
    if is_kept and (relay.is_behind or executions):
        with contextlib.suppress(OSError):  # no process is to be had: the next life waits
            if os.fork():
                return
            relay.end_when_told()
            close_all_but({0, 1, 2, *relay.loop.descriptors()})
    relay.flush(None)
    for execution in [*executions]:
        execution.flush(None)


def _give_up(container: Container, channel: socket.socket, error: Exception) -> None:
    """Tell of a fault whoever waits for the first start, or looks at the container later."""
    with contextlib.suppress(OSError):  # its supervisor has it, and answers
        channel.send(protocol.failed(protocol.unable("set up", error)))
    with contextlib.suppress(LxgitError, OSError):  # a bad disk: the next look finds the lock free
        state = container.recorded_state()
        if state.status == RESTARTING:
            fault = protocol.unable("started again", error)
            container.record(replace(state.ended(), error=fault.message))


def _leave_the_caller(*keep: int) -> None:
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
