"""The user's pager, as Git runs it (git-config, core.pager)."""

from __future__ import annotations

import os
import signal
import subprocess

from lxgit.cli.environment import program_environment


class Pager:
    """A running pager; what is written to `fd` is shown."""

    def __init__(self, command: str) -> None:
        reader, self.fd = os.pipe()
        try:
            # LESS=FRX: quit on one screen, pass colours, leave the text on the screen.
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                stdin=reader,
                env=program_environment(LESS="FRX", LV="-c"),
            )
        finally:
            os.close(reader)

    def close(self) -> None:
        """End the text, and wait for the user to have read it. Ctrl-C is the pager's meanwhile."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            os.close(self.fd)
            self._process.wait()
        finally:
            signal.signal(signal.SIGINT, before)
