"""A table of corruptions: fsck finds them, and repairs what is derived."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lxgit.objects.ids import ObjectID, hex_id
from lxgit.operations.gc import gc
from lxgit.records import replace as changed
from lxgit.repository import FORMAT, Repository, create_repository, open_repository
from lxgit.runtime.config import decoded_config, encoded
from lxgit.runtime.index import look_again
from lxgit.runtime.layers import LayerStore
from tests.operations.conftest import Lab
from tests.support.stores import WHO, Listener, copied, find_image, flip, problems, stock_fsck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture(scope="module")
def grown_store(module_directory: Path, busybox_rootfs: Path) -> Path:
    """A store with a history, packed and not, a container, layers, a deleted branch."""
    lab = Lab(create_repository(module_directory / "harmed"))
    lab.take(busybox_rootfs, "base")
    lab.run("first", "echo one > /etc/one; rm -r /home; mkdir /new; ln /etc/passwd /new/linked")
    lab.commit("first")
    gc(lab.repository, progress=Listener())
    lab.run("second", "echo two > /etc/two")
    lab.commit("second", "other")
    lab.run("third", "echo three > /etc/three", "other")
    tip = lab.repository.refs.read("refs/heads/other")
    assert tip is not None
    who = WHO.committer
    for name in ("refs/heads/gone", "refs/tags/v1"):
        lab.repository.refs.update(name, tip, old=None, message="made", who=who)
    lab.repository.refs.update("refs/heads/gone", None, old=tip, message="gone", who=who)
    lab.repository.objects.close()
    return lab.repository.path


@pytest.fixture
def grown(grown_store: Path, store_dir: Path) -> Iterator[Lab]:
    """A copy of it; at the end stock Git finds nothing wrong with it."""
    made = Lab(open_repository(copied(grown_store, store_dir)))
    look_again(made.repository.containers_dir)  # or a copy's index is made anew
    yield made
    assert stock_fsck(made.repository) == ""
    made.repository.objects.close()


def test_a_grown_store_is_sound(grown: Lab) -> None:
    assert problems(grown.repository.path) == []
    assert problems(grown.repository.path, repair=True) == []


def one(repository: Repository, pattern: str) -> Path:
    return max(repository.path.glob(pattern), key=lambda path: path.stat().st_size)


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def replace(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def rewrite(record: Path, *, commit: str) -> None:
    """Have a container's record name another commit, as one that is whole."""
    config = decoded_config(record.read_bytes())
    record.write_bytes(encoded(changed(config, commit=commit)))


def unlink(link: Path) -> None:
    """Have a file stand in the place of a symbolic link, with what it says."""
    target = os.readlink(link)
    link.unlink()
    link.write_text(target)


class Harm(NamedTuple):
    """How to do it, what fsck says, and whether it can be repaired."""

    do: Callable[[Repository], object]
    told: str
    repaired: bool = False


def base_layer(repository: Repository) -> Path:
    layers = LayerStore(repository.layers_dir)
    return next(
        repository.layers_dir / name for name in layers.all_ids() if not layers.layer(name).below
    )


def delta_layer(repository: Repository) -> Path:
    layers = LayerStore(repository.layers_dir)
    return next(
        repository.layers_dir / name for name in layers.all_ids() if layers.layer(name).below
    )


def in_base(repository: Repository) -> None:
    """A byte of the base layer, which gc has compressed where that works."""
    layer = base_layer(repository)
    flip(layer / ("fs/bin/busybox" if (layer / "fs").exists() else "layer.image"))


def evil(repository: Repository) -> None:
    directory = delta_layer(repository) / "fs/etc"
    (directory / "evil").write_bytes(b"x")
    os.chown(directory / "evil", directory.stat().st_uid, directory.stat().st_gid)


def pin(repository: Repository) -> str:
    return next(iter(repository.refs.list("refs/lxgit/containers/")))


def tip(repository: Repository) -> ObjectID:
    return repository.revisions.resolve("other")


def set_back(repository: Repository) -> None:
    """A branch that is what it was before, as a file of an old backup has it."""
    parent = repository.revisions.resolve("other~1")
    put(repository.git_dir / "refs/heads/other", parent.hex().encode() + b"\n")


HARM: dict[str, Harm] = {
    "a byte of a pack": Harm(lambda r: flip(one(r, "git/objects/pack/*.pack")), "pack"),
    "a pack cut short": Harm(
        lambda r: os.truncate(one(r, "git/objects/pack/*.pack"), 5000), "pack"
    ),
    "a pack gone": Harm(lambda r: one(r, "git/objects/pack/*.pack").unlink(), "missing"),
    "a byte of an index": Harm(
        lambda r: flip(one(r, "git/objects/pack/*.idx")), ".idx is damaged", repaired=True
    ),
    "an index gone": Harm(
        lambda r: one(r, "git/objects/pack/*.idx").unlink(), "has no index", repaired=True
    ),
    "an index cut short": Harm(
        lambda r: os.truncate(one(r, "git/objects/pack/*.idx"), 1000),
        ".idx is damaged",
        repaired=True,
    ),
    "a byte of a reverse index": Harm(
        lambda r: flip(one(r, "git/objects/pack/*.rev")), ".rev is damaged", repaired=True
    ),
    "a byte of the commit-graph": Harm(
        lambda r: flip(r.git_dir / "objects/info/commit-graph"), "commit-graph", repaired=True
    ),
    "a ref to nothing": Harm(
        lambda r: put(r.git_dir / "refs/heads/bad", b"1" * 40 + b"\n"), "refs/heads/bad"
    ),
    "a ref that holds nonsense": Harm(
        lambda r: put(r.git_dir / "refs/heads/bad", b"nonsense\n"), "refs/heads/bad"
    ),
    "a ref cut short": Harm(
        lambda r: os.truncate(r.git_dir / "refs/heads/other", 20), "refs/heads/other"
    ),
    "an empty ref": Harm(
        lambda r: os.truncate(r.git_dir / "refs/heads/other", 0), "refs/heads/other"
    ),
    "a ref to a tree": Harm(
        lambda r: put(
            r.git_dir / "refs/heads/bad", find_image(r, "other").tree.hex().encode() + b"\n"
        ),
        "names a tree",
    ),
    "a tag of a blob": Harm(
        lambda r: put(
            r.git_dir / "refs/tags/bad", find_image(r, "other").config_id.hex().encode() + b"\n"
        ),
        "names a blob",
    ),
    "a file among the refs": Harm(
        lambda r: put(r.git_dir / "refs/heads/a..b", b"1" * 40 + b"\n"), "is no ref"
    ),
    "packed-refs with nonsense": Harm(
        lambda r: put(r.git_dir / "packed-refs", b"nonsense\n"), "packed-refs"
    ),
    "HEAD that is none": Harm(lambda r: put(r.git_dir / "HEAD", b"nonsense\n"), "HEAD"),
    "HEAD gone": Harm(lambda r: (r.git_dir / "HEAD").unlink(), ""),
    "HEAD of a branch that never was": Harm(
        lambda r: put(r.git_dir / "HEAD", b"ref: refs/heads/bbse\n"), "no such branch"
    ),
    "HEAD of a branch whose name is no text": Harm(
        lambda r: put(r.git_dir / "HEAD", b"ref: refs/heads/b\xe1se\n"), "no such branch"
    ),
    "a reflog with nonsense": Harm(
        lambda r: put(r.git_dir / "logs/refs/heads/other", b"nonsense\n"), "reflog"
    ),
    "a reflog gone": Harm(
        lambda r: (r.git_dir / "logs/refs/heads/other").unlink(),
        "the reflog of 'other' is gone",
        repaired=True,
    ),
    "a tag's reflog gone": Harm(
        lambda r: (r.git_dir / "logs/refs/tags/v1").unlink(),
        "the reflog of 'v1' is gone",
        repaired=True,
    ),
    "HEAD's reflog gone": Harm(
        lambda r: (r.git_dir / "logs/HEAD").unlink(), "the reflog of 'HEAD' is gone", repaired=True
    ),
    "a branch set back": Harm(set_back, "and its reflog says", repaired=True),
    "a reflog of what is missing": Harm(
        lambda r: replace(r.git_dir / "logs/refs/heads/other", b"0" * 40, b"1" * 40), "1" * 40
    ),
    "a setting gone": Harm(
        lambda r: replace(r.git_dir / "config", b"bigFileThreshold", b"bigFileThresholt"),
        "core.bigFileThreshold",
        repaired=True,
    ),
    "a configuration that Git cannot read": Harm(
        lambda r: put(r.git_dir / "config", b"[core\n"), "git/config is", repaired=True
    ),
    "no configuration": Harm(
        lambda r: (r.git_dir / "config").unlink(), "git/config is", repaired=True
    ),
    "a step of the build cache that is none": Harm(
        lambda r: put(r.git_dir / "refs/lxgit/cache" / ("a" * 64), b"junk\n"),
        "is damaged",
        repaired=True,
    ),
    "a step of the build cache that is missing": Harm(
        lambda r: put(r.git_dir / "refs/lxgit/cache" / ("a" * 64), b"1" * 40 + b"\n"),
        "is missing",
        repaired=True,
    ),
    "a history that is cut off": Harm(
        lambda r: put(r.git_dir / "shallow", hex_id(tip(r)).encode() + b"\n"),
        "git/shallow hides what is before",
    ),
    "a commit without its parents": Harm(
        lambda r: put(r.git_dir / "info/grafts", hex_id(tip(r)).encode() + b"\n"),
        "git/info/grafts gives",
    ),
    "the store's format": Harm(lambda r: put(r.path / "format", b"lxgit store 9\n"), "format"),
    "a line of what undo knows": Harm(
        lambda r: flip(r.path / "operations", -30), "operations: line "
    ),
    "a tab of what undo knows": Harm(
        lambda r: replace(r.path / "operations", b"\trefs/", b")refs/"), "operations: line 1 is"
    ),
    "a container's record": Harm(
        lambda r: put(one(r, "containers/*/config.json"), b"{"), "do not say what it is"
    ),
    "a bit of a container's record": Harm(
        lambda r: flip(one(r, "containers/*/config.json")), "do not say what it is"
    ),
    "a bit of a container's state": Harm(
        lambda r: flip(one(r, "containers/*/state.json")), "state.json is damaged", repaired=True
    ),
    "a container's commit": Harm(
        lambda r: rewrite(one(r, "containers/*/config.json"), commit="1" * 40), "is missing"
    ),
    "a container that nothing keeps": Harm(
        lambda r: (r.git_dir / pin(r)).unlink(), "no ref keeps", repaired=True
    ),
    "what a container has changed": Harm(
        lambda r: shutil.rmtree(next(r.containers_dir.glob("*/upper"))),
        "its upper directory is gone",
        repaired=True,
    ),
    "a container's name": Harm(
        lambda r: (r.containers_dir / ".names/third").unlink(), "its name 'third'", repaired=True
    ),
    "a name of a backup without links": Harm(
        lambda r: unlink(r.containers_dir / ".names/third"), "its name 'third'", repaired=True
    ),
    "host ids of a backup without links": Harm(
        lambda r: unlink(next(r.containers_dir.glob(".ranges/*"))),
        "its host ids from",
        repaired=True,
    ),
    "what is no name": Harm(
        lambda r: put(r.containers_dir / ".names/x~", b""), "is no entry", repaired=True
    ),
    "what is no range": Harm(
        lambda r: put(r.containers_dir / ".ranges/x~", b""), "is no entry", repaired=True
    ),
    "a byte of a base layer": Harm(in_base, "differs from", repaired=True),
    "a byte of a delta layer": Harm(
        lambda r: flip(one(r, f"layers/{delta_layer(r).name}/fs/etc/*")),
        "differs from Git at",
        repaired=True,
    ),
    "a mode in a delta layer": Harm(
        lambda r: one(r, f"layers/{delta_layer(r).name}/fs/etc/*").chmod(0o4777),
        "differs from Git at",
        repaired=True,
    ),
    "a file too many in a delta layer": Harm(
        evil,
        "differs from Git at /etc",
        repaired=True,
    ),
    "a file missing from a delta layer": Harm(
        lambda r: one(r, f"layers/{delta_layer(r).name}/fs/etc/*").unlink(),
        "differs from Git at /etc",
        repaired=True,
    ),
    "a layer's record": Harm(
        lambda r: put(base_layer(r) / "layer.json", b"{"), "cannot be used", repaired=True
    ),
    "a layer of ids that there are not": Harm(
        lambda r: put(
            base_layer(r) / "layer.json",
            json.dumps(
                {
                    **json.loads((base_layer(r) / "layer.json").read_bytes()),
                    "idmap": [[0, 0, 1 << 32]],
                }
            ).encode(),
        ),
        "cannot be used",
        repaired=True,
    ),
    "a layer that lies about what it shows": Harm(
        lambda r: flip(
            delta_layer(r) / "layer.json",
            (delta_layer(r) / "layer.json").read_bytes().index(b'"rootfs": "') + 15,
            1,
        ),
        "",
        repaired=True,
    ),
    "a stack of a layer that is gone": Harm(
        lambda r: put(one(r, "layers/stacks/*"), b"0123456789abcdef\n"),
        "cannot be mounted",
        repaired=True,
    ),
    "a stack under another's name": Harm(
        lambda r: shutil.copy(
            one(r, "layers/stacks/*"), r.layers_dir / f"stacks/{'1' * 40}-{'2' * 40}"
        ),
        "another image's",
        repaired=True,
    ),
    "a stack that is no text": Harm(
        lambda r: flip(one(r, "layers/stacks/*"), mask=0x80), "cannot be read", repaired=True
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_it_is_found(grown: Lab, harm: str) -> None:
    store = grown.repository.path
    before = grown.repository.git.run(["rev-list", "--all", "--objects"])
    saved = store.with_name("saved")
    shutil.copytree(store / "git", saved, symlinks=True)
    HARM[harm].do(grown.repository)
    found = problems(store)
    assert any(HARM[harm].told in problem.message for problem in found), found
    repaired = problems(store, repair=True)
    if HARM[harm].repaired:
        assert all(problem.repaired for problem in repaired), repaired
        assert problems(store) == []
        assert Repository(store).git.run(["rev-list", "--all", "--objects"]) == before
        assert grown.run("again", "cat /etc/one; ls /new", "base") == (0, "one\nlinked\n")
    else:
        assert not all(problem.repaired for problem in repaired)
    shutil.rmtree(store / "git")  # so that the end of the test finds a sound one
    saved.rename(store / "git")
    (store / "format").write_bytes(FORMAT)


def test_it_says_whom_it_harms(grown: Lab) -> None:
    """A file that one branch alone has, and the container on it."""
    repository = grown.repository
    entry = find_image(repository, "other").entry(b"etc/two")
    assert entry is not None
    assert entry.oid is not None
    saved = repository.path.with_name("saved")
    shutil.copytree(repository.git_dir, saved, symlinks=True)
    for pack in sorted((repository.git_dir / "objects/pack").glob("*.pack")):
        content = pack.read_bytes()
        for file in pack.parent.glob(f"{pack.stem}.*"):
            file.unlink()
        repository.git.run(["unpack-objects", "-q"], stdin=content)
    name = entry.oid.hex()
    loose = repository.git_dir / "objects" / name[:2] / name[2:]
    flip(loose, -3)
    harmed = {word for problem in problems(repository.path) for word in problem.affected}
    assert harmed == {
        "other",
        "v1",
        "deleted branches",
        "container second",
        "container third",
    }
    shutil.rmtree(repository.git_dir)
    saved.rename(repository.git_dir)


def test_it_says_whose_layer_it_is(grown: Lab) -> None:
    """The images that are shown by it, and the containers; with `--repair`, too."""
    repository = grown.repository
    stack = LayerStore(repository.layers_dir).find(find_image(repository, "other").filesystem)
    assert stack is not None
    (stack.top.directory / "etc/two").write_bytes(b"2")
    in_base(repository)
    above = {"other", "v1", "container third"}
    for repair in (False, True):
        found = problems(repository.path, repair=repair)
        harmed = {problem.message.split()[1]: set(problem.affected) for problem in found}
        assert harmed == {
            f"{stack.top.id}:": above,
            f"{stack.base.id}:": {*above, "base", "container first", "container second"},
        }
