"""Git objects that a stranger made by hand: the real program refuses them, in a line, everywhere.

Nothing is written outside of the store, nothing is left in it, and fsck says whose they are.
"""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.ids import ObjectID, from_hex
from lxgit.objects.verify import ImageVerifier
from lxgit.repository import open_repository
from tests.support.program import Lxgit
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


CONFIG = b'{\n  "os": "linux"\n}\n'


class Forge:
    """Objects of any content, as stock Git or a zlib of one's own writes them."""

    def __init__(self, git_dir: Path) -> None:
        self.stock = StockGit(git_dir)
        self.git_dir = git_dir

    def blob(self, data: bytes) -> str:
        return self.write("blob", data)

    def tree(self, *entries: tuple[bytes, bytes, str]) -> str:
        """Entries of (mode, name, id), in the order given, whatever they are."""
        raw = b"".join(
            mode + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries
        )
        return self.write("tree", raw)

    def directory(self, meta: bytes, *entries: tuple[bytes, bytes, str]) -> str:
        """A directory whose %meta comes first."""
        return self.tree((b"100644", b"%meta", self.blob(meta)), *entries)

    def image(
        self,
        rootfs: str,
        *,
        links: bytes = b"",
        version: bytes | None = b"lxgit 1\n",
        config: bytes = CONFIG,
    ) -> str:
        parts = [(b"100644", b"config.json", self.blob(config))]
        if version is not None:
            parts.append((b"100644", b"format", self.blob(version)))
        parts += [(b"100644", b"links", self.blob(links)), (b"40000", b"rootfs", rootfs)]
        return self.tree(*parts)

    def commit(self, tree: str) -> str:
        who = b"A <a@x> 1700000000 +0000"
        return self.write(
            "commit",
            b"tree %b\nauthor %b\ncommitter %b\n\nhostile\n" % (tree.encode(), who, who),
        )

    def write(self, kind: str, data: bytes) -> str:
        """A loose object; `git hash-object --literally` takes 5 ms each, and refuses some."""
        raw = f"{kind} {len(data)}".encode() + b"\0" + data
        oid = hashlib.sha1(raw).hexdigest()
        path = self.git_dir / "objects" / oid[:2] / oid[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(raw, 1))
        return oid


FILE, EXECUTABLE, LINK, TREE, MODULE = b"100644", b"100755", b"120000", b"40000", b"160000"


def named(name: bytes, mode: bytes = FILE, line: bytes | None = None) -> Callable[[Forge], str]:
    """An image with one entry of that name, its line beside it."""

    def make(forge: Forge) -> str:
        oid = forge.blob(b"x") if mode != TREE else forge.directory(b"0 - .\n")
        told = b"" if mode == TREE else (line or b"0 - " + name.replace(b"\n", rb"\n") + b"\n")
        return forge.image(forge.directory(b"0 - .\n" + told, (mode, name, oid)))

    return make


def meta(text: bytes, *names: bytes) -> Callable[[Forge], str]:
    """An image whose %meta says that, with files of those names."""

    def make(forge: Forge) -> str:
        entries = [(FILE, name, forge.blob(b"x")) for name in names]
        return forge.image(forge.directory(text, *entries))

    return make


def links(text: bytes) -> Callable[[Forge], str]:
    def make(forge: Forge) -> str:
        a, b = forge.blob(b"x"), forge.blob(b"y")
        return forge.image(
            forge.directory(b"0 - .\n0 - a\n0 - b\n", (FILE, b"a", a), (FILE, b"b", b)), links=text
        )

    return make


def plain(forge: Forge) -> str:
    return forge.directory(b"0 - .\n")


def deep(forge: Forge) -> str:
    """Deeper than Git goes."""
    below = plain(forge)
    for _ in range(2100):
        below = forge.directory(b"0 - .\n", (TREE, b"d", below))
    return forge.image(below)


def wide(forge: Forge) -> str:
    """Forty trees that unfold to 2^40 directories."""
    below = plain(forge)
    for _ in range(40):
        below = forge.directory(b"0 - .\n", (TREE, b"a", below), (TREE, b"b", below))
    return forge.image(below)


def twice(forge: Forge) -> str:
    one = (FILE, b"a", forge.blob(b"x"))
    return forge.image(forge.directory(b"0 - .\n0 - a\n", one, one))


def file_and_directory(forge: Forge) -> str:
    """One name as a file and as a directory: their places in Git's order are two."""
    return forge.image(
        forge.directory(
            b"0 - .\n0 - a\n", (FILE, b"a", forge.blob(b"x")), (TREE, b"a", plain(forge))
        )
    )


def unsorted(forge: Forge) -> str:
    return forge.image(
        forge.directory(
            b"0 - .\n0 - a\n0 - b\n", (FILE, b"b", forge.blob(b"x")), (FILE, b"a", forge.blob(b"x"))
        )
    )


def module(forge: Forge) -> str:
    return forge.image(forge.directory(b"0 - .\n0 - sub\n", (MODULE, b"sub", "1" * 40)))


def meta_is(mode: bytes) -> Callable[[Forge], str]:
    def make(forge: Forge) -> str:
        oid = plain(forge) if mode == TREE else forge.blob(b"0 - .\n")
        return forge.image(forge.tree((mode, b"%meta", oid)))

    return make


def cut(forge: Forge) -> str:
    raw = b"100644 a\0" + bytes(7)
    return forge.image(forge.write("tree", raw))


HOSTILE: dict[str, Callable[[Forge], str]] = {
    "..": named(b".."),
    ".. as a directory": named(b"..", TREE),
    ".": named(b".", line=b"0 - .\n"),
    ".git": named(b".git"),
    ".GIT": named(b".GIT"),
    "git~1": named(b"git~1"),
    ".git as a directory": named(b".git", TREE),
    ".gitmodules as a symlink": named(b".gitmodules", LINK),
    ".g<ZWNJ>it": named(b".g\xe2\x80\x8cit"),
    "a/b": named(b"a/b"),
    "/etc/passwd": named(b"/etc/passwd"),
    "../../evil": named(b"../../evil"),
    "a stored slash": named(b"%61%2Fb"),
    "a stored NUL": named(b"%61%00b"),
    "a stored ..": named(b"%2E."),
    "a needless escape": named(b"%61"),
    "an empty name": named(b"", line=b"0 - \n"),
    "a name of 300 bytes": named(b"a" * 300),
    "mode 100666": named(b"a", b"100666"),
    "mode 104755": named(b"a", b"104755"),
    "mode 020644": named(b"a", b"20644"),
    "mode 0100644": named(b"a", b"0100644"),
    "mode 777777777": named(b"a", b"777777777"),
    "no mode": named(b"a", b""),
    "a submodule": module,
    "a name twice": twice,
    "a file and a directory of one name": file_and_directory,
    "unsorted": unsorted,
    "a tree cut short": cut,
    "a blob as a directory": lambda f: f.image(
        f.directory(b"0 - .\n", (TREE, b"a", f.blob(b"not a tree")))
    ),
    "a tree as a file": lambda f: f.image(f.directory(b"0 - .\n0 - a\n", (FILE, b"a", plain(f)))),
    "a file that is missing": lambda f: f.image(
        f.directory(b"0 - .\n0 - a\n", (FILE, b"a", "1" * 40))
    ),
    "deeper than Git goes": deep,
    "2^40 directories": wide,
    "%meta: no entry": meta(b"0 - .\n0 - ghost\n"),
    "%meta: no line": meta(b"0 - .\n", b"a"),
    "%meta: none": lambda f: f.image(f.tree((FILE, b"a", f.blob(b"x")))),
    "%meta: a symlink": meta_is(LINK),
    "%meta: a directory": meta_is(TREE),
    "%meta: empty": meta(b""),
    "%meta: no end": meta(b"0 - ."),
    "%meta: . twice": meta(b"0 - .\n0 - .\n"),
    "%meta: a name twice": meta(b"0 - .\n0 - a\n0 - a\n", b"a"),
    "%meta: unsorted": meta(b"0 - .\n0 - b\n0 - a\n", b"a", b"b"),
    "%meta: an owner that overflows": meta(b"0 - .\n0 u=4294967296 a\n", b"a"),
    "%meta: an owner that is -1": meta(b"0 - .\n0 u=4294967295 a\n", b"a"),
    "%meta: a time that overflows": meta(b"0 - .\n9223372036854775808 - a\n", b"a"),
    "%meta: a number of a million digits": meta(b"0 - .\n0 u=%b a\n" % (b"9" * 1_000_000), b"a"),
    "%meta: a mode that overflows": meta(b"0 - .\n0 m=77777 a\n", b"a"),
    "%meta: a device that overflows": meta(b"0 - .\n0 t=c:4096:0 a\n"),
    "%meta: a file is a device": meta(b"0 - .\n0 t=b:8:0 a\n", b"a"),
    "%meta: a directory has a line": lambda f: f.image(
        f.directory(b"0 - .\n0 - a\n", (TREE, b"a", plain(f)))
    ),
    "%meta: a device named ..": meta(b"0 - .\n0 t=c:1:3 ..\n"),
    "%meta: a device with a slash": meta(b"0 - .\n0 t=c:1:3 a/b\n"),
    "%meta: executable and not": meta(b"0 - .\n0 m=755 a\n", b"a"),
    "%meta: an attribute twice": meta(b"0 - .\n0 x:user.a=1,x:user.a=2 a\n", b"a"),
    "%meta: an attribute with NUL": meta(b"0 - .\n0 x:user.%00=1 a\n", b"a"),
    "%meta: an attribute without a namespace": meta(b"0 - .\n0 x:user=1 a\n", b"a"),
    "links: absent": links(b"a\tc\n"),
    "links: they differ": links(b"a\tb\n"),
    "links: outside": links(b"../../etc/passwd\ta\n"),
    "links: alone": links(b"a\n"),
    "links: twice": links(b"a\tb\na\tb\n"),
    "links: a directory": lambda f: f.image(
        f.directory(b"0 - .\n", (TREE, b"a", plain(f)), (TREE, b"b", plain(f))), links=b"a\tb\n"
    ),
    "no format": lambda f: f.image(plain(f), version=None),
    "a later format": lambda f: f.image(plain(f), version=b"lxgit 2\n"),
    "a format of a million digits": lambda f: f.image(
        plain(f), version=b"lxgit " + b"9" * 1_000_000 + b"\n"
    ),
    "a format that is none": lambda f: f.image(plain(f), version=b"\x1b[2J"),
    "config.json: no JSON": lambda f: f.image(plain(f), config=b"{"),
    "config.json: nested": lambda f: f.image(plain(f), config=b"[" * 100_000),
    "config.json: another type": lambda f: f.image(plain(f), config=b'{\n  "Cmd": "sh"\n}\n'),
    "config.json: NUL in a command": lambda f: f.image(
        plain(f), config=b'{\n  "Cmd": [\n    "a\\u0000b"\n  ]\n}\n'
    ),
    "config.json: a health check that is none": lambda f: f.image(
        plain(f), config=b'{\n  "Healthcheck": {\n    "Test": 5\n  }\n}\n'
    ),
    "config.json: 2 MiB": lambda f: f.image(plain(f), config=b" " * (2 << 20)),
    "no image at all": lambda f: f.tree((FILE, b"a", f.blob(b"x"))),
    "a tree that is a blob": lambda f: f.blob(b"x"),
}


@pytest.fixture(scope="module")
def sound(module_directory: Path) -> Path:
    """A store with one sound image: to be copied."""
    root = module_directory / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    made = Lxgit(module_directory / "sound", module_directory)
    made("import", root, "base")
    return made.store


@pytest.fixture
def store(lxgit: Lxgit, sound: Path) -> Forge:
    """A store of the test's own with that image."""
    subprocess.run(["cp", "-a", sound, lxgit.store], check=True)
    return Forge(lxgit.store / "git")


def commands(out: Path) -> list[tuple[str, ...]]:
    return [
        ("run", "--rm", "bad", "true"),
        ("export", "bad", "-o", str(out)),
        ("diff", "base", "bad"),
        ("diff", "--stat", "bad", "base"),
        ("log", "-n", "2", "bad"),
        ("log", "--stat", "bad"),
        ("show", "bad"),
        ("show", "bad:/a"),
        ("ls", "bad:/"),
        ("inspect", "bad"),
    ]


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.parametrize("kind", HOSTILE)
def test_it_is_refused_everywhere(store: Forge, lxgit: Lxgit, scratch: Path, kind: str) -> None:
    tree, commit = tag(store, HOSTILE[kind])
    before = sorted(path for path in scratch.rglob("*") if "store" not in path.parts)
    out = scratch / "out.tar"
    for words in commands(out):
        done = lxgit(*words, code=None, timeout=60)
        assert "Traceback" not in done.err, (words, done.err[-3000:])
        assert done.code in (0, 1, 125), (words, done)
        assert len(done.err) < 2000, (words, done.err[:3000])
        if words[0] == "run" or (words[0] == "export" and "config" not in kind):
            assert done.code, words
        if done.code:
            assert done.err.startswith("lxgit: "), (words, done.err)
        assert "\x1b" not in done.err
    out.unlink(missing_ok=True)
    assert sorted(path for path in scratch.rglob("*") if "store" not in path.parts) == before
    layers = [path.name for path in (lxgit.store / "layers").iterdir()]
    assert not [name for name in layers if name.startswith(("tmp", "."))]
    assert lxgit("ps", "-a", "-q").out == ""
    arrived(lxgit.store, tree, commit)
    assert lxgit("show", "base:/etc/hosts").out == "127.0.0.1 localhost\n"


@pytest.mark.parametrize(
    "words", ["branch other bad", "tag other bad", "checkout bad", "checkout -b other bad"]
)
@pytest.mark.parametrize("kind", ["no image at all", "no format", "a later format"])
def test_it_gets_no_other_name(store: Forge, lxgit: Lxgit, kind: str, words: str) -> None:
    tag(store, HOSTILE[kind])
    done = lxgit(*words.split(), code=1)
    assert "image" in done.err
    assert lxgit("branch").out == "* base\n"
    lxgit("tag", "-d", "bad")


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_what_unfolds_without_end_is_told_of(store: Forge, lxgit: Lxgit, scratch: Path) -> None:
    tag(store, HOSTILE["2^40 directories"])
    lxgit("show", "bad:/a")  # a directory at a time, it can be looked at
    lxgit("ls", "bad:/")
    refused: list[tuple[str, ...]] = [
        ("run", "--rm", "bad", "true"),
        ("export", "bad", "-o", str(scratch / "out.tar")),
        ("diff", "base", "bad"),
        ("diff", "--name-status", "bad", "base"),
        ("log", "--stat", "bad"),
        ("show", "bad"),
        ("ls", "-R", "bad:/"),
    ]
    for words in refused:
        done = lxgit(*words, code=125 if words[0] == "run" else 1)
        assert done.err.startswith("lxgit: the image unfolds to 2,199,023,255,550 entries, and ")
        assert done.err.splitlines()[1:] == [
            "hint: 'lxgit fsck' says which branches and tags have it"
        ]


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.parametrize("near", [True, False])
def test_a_link_to_nothing_is_told_of(
    store: Forge, lxgit: Lxgit, scratch: Path, near: bool
) -> None:
    """Of a delta layer, and of a base layer."""
    tag(store, HOSTILE["links: absent"])
    if not near:
        lxgit("prune")
    for words in (("run", "--rm", "bad", "true"), ("export", "bad", "-o", str(scratch / "out"))):
        done = lxgit(*words, code=125 if words[0] == "run" else 1)
        assert done.err == "lxgit: links: 'c' is not there\n"


def tag(store: Forge, image: Callable[[Forge], str]) -> tuple[str, str]:
    """The image with a commit of its own on the tag `bad`: their ids."""
    tree = image(store)
    commit = store.commit(tree)
    (store.git_dir / "refs/tags").mkdir(exist_ok=True)
    (store.git_dir / "refs/tags/bad").write_text(f"{commit}\n")
    return tree, commit


def arrived(store: Path, tree: str, commit: str) -> None:
    """What fsck says, and what a fetch will ask."""
    from lxgit.operations.fsck import fsck
    from tests.support.stores import Listener

    repository = open_repository(store)
    faults = list(ImageVerifier(repository.objects).faults(ObjectID(from_hex(tree.encode()))))
    assert faults
    assert all(len(fault) < 1000 for fault in faults)
    found = [problem for problem in fsck(repository, progress=Listener()) if problem.affected]
    assert any("bad" in problem.affected for problem in found), found
    assert any(commit[:12] in problem.message for problem in found)
    repository.objects.close()
