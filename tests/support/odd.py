"""What is taken for a registry, and is none, or a bad one."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support import webserver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Odd(http.server.ThreadingHTTPServer):
    """Something on loopback that is no registry, or a bad one; all it is asked gets `answer`."""

    daemon_threads = True

    def __init__(self, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.released = threading.Event()
        self.sending = threading.Event()
        self.broken = threading.Event()
        self.ended = threading.Event()

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Say nothing: the tests break connections."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Says what the server has for an answer."""

    server: Odd

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        self.wfile.write(self.server.answer)
        self.close_connection = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)


class Swallowing(Handler):
    """A registry that is empty, takes what comes, and never says that it has come."""

    def _answer(self) -> None:
        if self.command in ("PUT", "PATCH"):
            self.server.sending.set()
            self.server.ended.wait()
        self.send_response(202 if self.command == "POST" else 200 if self.path == "/v2/" else 404)
        self.send_header("Location", "/v2/x/blobs/uploads/1")
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving(answer: bytes = b"", handler: type[Handler] = Handler) -> Iterator[Odd]:
    """One that runs meanwhile."""
    server = Odd(answer)
    server.RequestHandlerClass = handler
    with webserver.serving(server):
        try:
            yield server
        finally:
            server.ended.set()
