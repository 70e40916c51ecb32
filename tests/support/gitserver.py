"""Git repositories behind git:// on loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Have git-daemon(1) answer for all below a directory; the address that it has."""
    command = ["git", "daemon", "--inetd", "--export-all", f"--base-path={directory}"]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        subprocess.run(
                            command,
                            stdin=connection.fileno(),
                            stdout=connection.fileno(),
                            stderr=subprocess.DEVNULL,
                            check=False,
                        )

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"git://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
