"""What a pull takes from a registry that sends more than there should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import LxgitError
from lxgit.operations.pulling import PullRequest, pull
from tests.support.layouts import CONFIG, LAYER, MANIFEST, config_of, digest
from tests.support.odd import Handler, serving
from tests.support.stores import WHO

if TYPE_CHECKING:
    from tests.operations.conftest import Lab

pytestmark = pytest.mark.root


class _Lying(Handler):
    """A registry that has one image, whose layer is `promised` bytes; it sends without end."""

    promised = 0

    def _answer(self) -> None:
        config = json.dumps(config_of([b""])).encode()
        described = [
            {"mediaType": kind, "digest": digest(data), "size": size}
            for kind, data, size in (
                (CONFIG, config, len(config)),
                (f"{LAYER}+gzip", b"", self.promised),
            )
        ]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST}
        manifest |= {"config": described[0], "layers": described[1:]}
        if "/manifests/" in self.path:
            self._say(json.dumps(manifest).encode(), MANIFEST)
        elif self.path.endswith(digest(config)):
            self._say(config, "application/octet-stream")
        elif "/blobs/" not in self.path:
            self._say(b"{}", "application/json")
        else:
            self.server.sending.set()
            self.send_response(200)
            self.end_headers()
            while not self.server.ended.is_set():
                self.wfile.write(bytes(1 << 20))

    def _say(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


@pytest.mark.parametrize(
    ("promised", "fault", "begins"),
    [
        (1 << 60, "unpacks to more than the store's file system has room for", False),
        (1000, "the registry sends more than the 1,000 bytes of the layers", True),
    ],
)
def test_a_registry_that_sends_without_end(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, promised: int, fault: str, begins: bool
) -> None:
    monkeypatch.setattr(_Lying, "promised", promised)
    with serving(handler=_Lying) as server:
        with pytest.raises(LxgitError, match=fault):
            pull(
                lab.repository,
                PullRequest(f"{server.host}/big"),
                lambda _: None,
                identity=WHO,
                progress=lab.listener,
            )
        assert server.sending.is_set() == begins
    assert not list(lab.repository.scratch_dir.iterdir())
