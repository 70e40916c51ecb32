"""What a pull takes from a registry that sends more than there should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import LxgitError
from lxgit.objects.limits import TooLarge
from lxgit.oci.layout import digest_of
from lxgit.operations.pulling import PullRequest, pull
from tests.support.archives import Archive
from tests.support.layouts import CONFIG, LAYER, MANIFEST, config_of
from tests.support.odd import Handler, Odd, serving
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from tests.operations.conftest import Lab

pytestmark = pytest.mark.root


GOOD = Archive().add("etc/motd", content=b"It is good.\n").raw()
MIB = 1 << 20
MOST = 300 * MIB


class _Lying(Handler):
    """A registry with one image: a good layer, and one of `promised` bytes that does not end.

    At `most` bytes it waits: what somebody takes more than they were promised, nobody stops.
    """

    promised = 0
    most = MOST

    def _answer(self) -> None:
        config = json.dumps(config_of([GOOD, b""])).encode()
        described = [
            {"mediaType": kind, "digest": digest_of(data), "size": size}
            for kind, data, size in (
                (CONFIG, config, len(config)),
                (LAYER, GOOD, len(GOOD)),
                (f"{LAYER}+gzip", b"", self.promised),
            )
        ]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST}
        manifest |= {"config": described[0], "layers": described[1:]}
        if "/manifests/" in self.path:
            self._say(json.dumps(manifest).encode(), MANIFEST)
        elif self.path.endswith(digest_of(config)):
            self._say(config, "application/octet-stream")
        elif self.path.endswith(digest_of(GOOD)):
            self._say(GOOD, "application/octet-stream")
        elif "/blobs/" not in self.path:
            self._say(b"{}", "application/json")
        else:
            self.server.sending.set()
            self.send_response(200)
            self.end_headers()
            self._flood()

    def _flood(self) -> None:
        try:
            for _ in range(self.most // MIB):
                self.wfile.write(bytes(MIB))
        except OSError:
            self.server.broken.set()
        else:
            self.server.ended.wait()

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
        (1 << 60, "unpacks to more than the file system has room for", False),
        (1000, "the registry sends more than the 11,240 bytes of the layers", True),
    ],
)
def test_a_registry_that_sends_without_end(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, promised: int, fault: str, begins: bool
) -> None:
    monkeypatch.setattr(_Lying, "promised", promised)
    # Too much, and less than skopeo may write, which may be done before anybody has looked.
    monkeypatch.setattr(_Lying, "most", 32 * MIB)
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


class _Patient(_Lying):
    """Begins with the layer that does not end when the other one unpacks."""

    def _flood(self) -> None:
        self.server.released.wait(60)
        super()._flood()


class _Slow(Listener):
    """Has the first layer unpack until the registry has come to an end with the second."""

    def __init__(self, server: Odd) -> None:
        super().__init__()
        self._server = server
        self.saw_the_end = False

    def phase(self, label: str, total: int | None = None) -> None:
        super().phase(label, total)
        if label.startswith("Unpacking"):
            self._server.released.set()
            self.saw_the_end = self._server.broken.wait(60)


def test_one_that_does_so_while_another_layer_unpacks(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks then: skopeo ends by itself, and its file may be there when somebody does."""
    monkeypatch.setattr(_Lying, "promised", 1000)
    with serving(handler=_Patient) as server:
        slow = _Slow(server)
        with pytest.raises(
            LxgitError, match=r"sends more (of a layer than it said|than the 11,240)"
        ):
            pull(
                lab.repository,
                PullRequest(f"{server.host}/big"),
                lambda _: None,
                identity=WHO,
                progress=slow,
            )
        assert slow.saw_the_end
    assert not list(lab.repository.scratch_dir.iterdir())


def test_layers_that_are_larger_than_was_allowed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Lying, "promised", 66 * MIB)
    with serving(handler=_Lying) as server:
        with pytest.raises(TooLarge, match="the image's layers have 69,"):
            pull(
                lab.repository,
                PullRequest(f"{server.host}/big", max_size=MIB),
                lambda _: None,
                identity=WHO,
                progress=lab.listener,
            )
        assert not server.sending.is_set()
