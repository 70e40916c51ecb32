"""What an image says of itself, and of the history that led to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.objects.commits import Commit, Signature
from lxgit.objects.imageconfig import ImageConfig
from lxgit.oci.imagewriter import ImageWriter
from lxgit.oci.layerwriter import NotForOCI
from lxgit.oci.layoutwriter import LayoutWriter, blob_path
from lxgit.progress import NullProgress

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.objects.image import Image
    from lxgit.oci.layoutwriter import Written
    from tests.oci.conftest import Images

ADA = Signature("Ada", "ada@example.org", 1_700_000_000, 60)

CONFIG = ImageConfig(
    env=("A=b", "PATH=/bin"),
    cmd=("/bin/true",),
    entrypoint=("/init", "-x"),
    working_dir="/srv",
    user="33:33",
    exposed_ports=("80/tcp",),
    volumes=("/data",),
    labels=(("a", "b"),),
    stop_signal="SIGINT",
    architecture="x86_64",
    extra={
        "variant": "v8",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5},
        "OnBuild": ["RUN x"],
    },
)


def commit(image: Image, message: str, seconds: int = 0) -> Commit:
    committer = Signature("Bo", "bo@example.org", 1_700_000_000 + seconds)
    return Commit(image.tree, (), ADA, committer, message)


class Layout:
    """A layout in which images are written and looked at."""

    def __init__(self, images: Images, place: Path) -> None:
        place.mkdir()
        self.place = place
        self.writer = LayoutWriter(place)
        self.images = ImageWriter(self.writer, images.repository.objects, NullProgress())

    def write(self, *commits: Commit, squash: bool = False) -> Written:
        return self.images.write(commits, squash=squash)

    def config(self, written: Written) -> Any:
        return json.loads((self.place / blob_path(written.config.digest)).read_text())


@pytest.fixture
def layout(images: Images, scratch: Path) -> Layout:
    return Layout(images, scratch / "layout")


@pytest.fixture
def root(scratch: Path) -> Path:
    made = scratch / "root"
    made.mkdir()
    return made


def test_what_the_image_wants_is_all_there(images: Images, layout: Layout, root: Path) -> None:
    config = layout.config(layout.write(commit(images.of(root, CONFIG), "One\n", seconds=5)))
    assert config["config"] == {
        "Env": ["A=b", "PATH=/bin"],
        "Cmd": ["/bin/true"],
        "Entrypoint": ["/init", "-x"],
        "WorkingDir": "/srv",
        "User": "33:33",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "Labels": {"a": "b"},
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5},
        "OnBuild": ["RUN x"],
    }
    assert (config["architecture"], config["variant"], config["os"]) == ("amd64", "v8", "linux")
    assert config["created"] == "2023-11-14T22:13:25Z"
    assert config["author"] == "Ada <ada@example.org>"


def test_a_commit_is_an_entry_and_a_layer_if_it_changed_a_file(
    images: Images, layout: Layout, root: Path
) -> None:
    first = images.of(root)
    wishes = images.of(root, CONFIG)
    (root / "file").touch()
    commits = [
        commit(first, "Begin"),
        commit(wishes, "Say how it runs", 1),
        commit(images.of(root, CONFIG), "Change\n\nMore.\n\nCommand: sh -c 'touch file'\n", 2),
    ]
    written = layout.write(*commits)
    assert len(written.layers) == len(set(written.layers)) == 2
    config = layout.config(written)
    who = {"author": "Ada <ada@example.org>"}
    assert config["history"] == [
        {"created": "2023-11-14T22:13:20Z", "comment": "Begin", **who},
        {
            "created": "2023-11-14T22:13:21Z",
            "comment": "Say how it runs",
            "empty_layer": True,
            **who,
        },
        {
            "created": "2023-11-14T22:13:22Z",
            "created_by": "sh -c 'touch file'",
            "comment": "Change",
            **who,
        },
    ]
    assert len(config["rootfs"]["diff_ids"]) == 2
    squashed = layout.write(*commits, squash=True)
    config = layout.config(squashed)
    assert len(squashed.layers) == len(config["history"]) == 1
    assert config["history"][0]["comment"] == "Change"
    assert config["config"] == layout.config(written)["config"]


def test_what_histories_share_is_one_blob(images: Images, layout: Layout, root: Path) -> None:
    """Also where a change was taken back, and made again."""
    first = images.of(root)
    (root / "file").touch()
    second = images.of(root)
    commits = [commit(image, "x") for image in (first, second, first, second)]
    whole, made, unmade, again = layout.write(*commits).layers
    assert (len({whole, made, unmade}), again) == (3, made)
    assert layout.write(*commits[:1]).layers == (whole,)


def test_a_history_of_no_clock(images: Images, scratch: Path, root: Path) -> None:
    """The same commits give the same files."""
    history = [commit(images.of(root, CONFIG), "One")]
    both = [Layout(images, scratch / name) for name in ("one", "two")]
    for layout in both:
        layout.writer.finish([(layout.write(*history), ["team/app:v1"])])
    one, two = (
        {path.relative_to(layout.place): path.read_bytes() for path in files(layout.place)}
        for layout in both
    )
    assert one == two
    assert len(one) == 5


def files(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("app:latest", ("latest", "docker.io/library/app:latest")),
        ("team/app:v1", ("v1", "docker.io/team/app:v1")),
        (None, None),
    ],
)
def test_names_are_in_the_index(
    images: Images, layout: Layout, root: Path, name: str | None, notes: tuple[str, str] | None
) -> None:
    written = layout.write(commit(images.of(root), "One"))
    layout.writer.finish([(written, [name] if name else [])])
    (entry,) = json.loads((layout.place / "index.json").read_text())["manifests"]
    assert entry["digest"] == written.manifest.digest
    expected = notes and {
        "org.opencontainers.image.ref.name": notes[0],
        "io.containerd.image.name": notes[1],
    }
    assert entry.get("annotations") == expected


def test_a_config_that_is_no_text_is_refused(images: Images, layout: Layout, root: Path) -> None:
    image = images.of(root, ImageConfig(env=("A=\udcff",)))
    with pytest.raises(NotForOCI, match="config has bytes that are not UTF-8"):
        layout.write(commit(image, "One"))


def test_messages_that_are_no_text_are_told_as_they_can_be(
    images: Images, layout: Layout, root: Path
) -> None:
    made = commit(images.of(root), "Caf\udce9\n")._replace(author=ADA._replace(time=2**62))
    made = made._replace(committer=made.author)
    (entry,) = layout.config(layout.write(made))["history"]
    assert entry["comment"] == "Caf\ufffd"
    assert entry["created"] == "9999-12-31T23:59:59Z"
