"""Unified diffs: what people read and what Git applies."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from lxgit.cli.diffview import write_diff
from lxgit.objects.metadata import Kind
from lxgit.objects.textdiff import unified_hunks
from tests.cli.rendering import XATTR, changed, entry, rendered

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.operations.values import SizedChange

SECOND = 10**9


class Texts:
    """Contents by path; a TextSource."""

    def __init__(self, **texts: tuple[bytes, bytes]) -> None:
        self.texts = {path.encode(): both for path, both in texts.items()}

    def hunks(self, sized: SizedChange) -> bytes | None:
        old, new = self.texts[sized.change.path]
        change = sized.change
        return unified_hunks(old if change.old else b"", new if change.new else b"")


def diff(*changes: SizedChange, **texts: tuple[bytes, bytes]) -> str:
    """The diff of these changes, without colours."""
    return rendered(lambda out: write_diff(out, changes, Texts(**texts), colour=False))


def test_text() -> None:
    sized = changed(b"motd", entry(mode=0o600), entry(content="2"), 6, 6)
    assert diff(sized, motd=(b"a\nb\nc\n", b"a\nB\nc")) == TEXT


TEXT = """\
diff --git a/motd b/motd
old mode 100600
new mode 100644
index 111111111111..222222222222
--- a/motd
+++ b/motd
@@ -1,3 +1,3 @@
 a
-b
-c
+B
+c
\\ No newline at end of file
"""


def test_metadata() -> None:
    old = entry(owner=(0, 0), xattrs=(XATTR, (b"user.bin", b"\0\1")))
    new = entry(owner=(33, 33), xattrs=((b"user.note", b"bye"),), mtime=5)
    sized = changed(b"x", old, new)._replace(old_links=(b"a b", b"c"))
    assert diff(sized) == METADATA


METADATA = """\
diff --git a/x b/x
old owner 0:0
new owner 33:33
old hard links /a b /c
old xattr user.note "hello"
new xattr user.note "bye"
old xattr user.bin 0x0001
"""


def test_an_mtime_is_told_when_it_is_all_that_changed() -> None:
    sized = changed(b"x", entry(mtime=1), entry(mtime=2 * SECOND))
    assert diff(sized) == (
        "diff --git a/x b/x\n"
        "old mtime 1970-01-01 00:00:00.000000001\n"
        "new mtime 1970-01-01 00:00:02.000000000\n"
    )


def test_binaries_are_told_by_size_and_id() -> None:
    sized = changed(b"tool", entry(mode=0o755), entry(mode=0o755, content="2"), 1430, 1500)
    added = changed(b"new", None, entry(), 0, 9)
    text = diff(sized, added, tool=(b"\0a", b"\0b"), new=(b"", b"\0"))
    assert text == (
        "diff --git a/tool b/tool\n"
        "Binary: 1.43 kB 111111111111 -> 1.50 kB 222222222222\n"
        "diff --git a/new b/new\n"
        "new file mode 100644\n"
        "Binary: 9 B 111111111111\n"
    )


def test_what_has_no_content() -> None:
    null = entry(Kind.CHARACTER, mode=0o666, content="", rdev=(1, 3))
    zero = entry(Kind.CHARACTER, mode=0o666, content="", rdev=(1, 5))
    text = diff(
        changed(b"srv", None, entry(Kind.DIRECTORY, mode=0o2755, owner=(0, 50), xattrs=(XATTR,))),
        changed(b"pipe", entry(Kind.FIFO, content=""), None),
        changed(b"dev", null, zero),
    )
    assert text == (
        "diff --git a/srv b/srv\n"
        "new directory mode 042755\n"
        "new owner 0:50\n"
        'new xattr user.note "hello"\n'
        "diff --git a/pipe b/pipe\n"
        "deleted fifo mode 010644\n"
        "diff --git a/dev b/dev\n"
        "old device 1:3\n"
        "new device 1:5\n"
    )


def test_another_type_is_a_removal_and_an_addition() -> None:
    link = entry(Kind.SYMLINK, mode=0o777, content="2")
    assert diff(changed(b"mtab", entry(), link, 2, 4), mtab=(b"x\n", b"/etc")) == RETYPED


RETYPED = """\
diff --git a/mtab b/mtab
deleted file mode 100644
index 111111111111..000000000000
--- a/mtab
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/mtab b/mtab
new file mode 120777
index 000000000000..222222222222
--- /dev/null
+++ b/mtab
@@ -0,0 +1 @@
+/etc
\\ No newline at end of file
"""


def test_awkward_paths() -> None:
    texts = {"a b": (b"", b"x\n"), "n\nl": (b"", b"x\n")}
    added = [changed(path.encode(), None, entry(), 0, 2) for path in texts]
    lines = diff(*added, **texts).splitlines()
    assert "+++ b/a b\t" in lines
    assert r'+++ "b/n\nl"' in lines
    assert r'diff --git "a/n\nl" "b/n\nl"' in lines


def test_colours() -> None:
    sized = changed(b"x", entry(), entry(content="2"), 2, 2)
    source = Texts(x=(b"a\n", b"b\n"))
    text = rendered(lambda out: write_diff(out, [sized], source, colour=True))
    assert text == (
        "\x1b[1mdiff --git a/x b/x\x1b[m\n"
        "index 111111111111..222222222222\n"
        "\x1b[1m--- a/x\x1b[m\n\x1b[1m+++ b/x\x1b[m\n"
        "\x1b[36m@@ -1 +1 @@\x1b[m\n"
        "\x1b[31m-a\x1b[m\n\x1b[32m+b\x1b[m\n"
    )


def test_git_applies_it(tmp_path: Path) -> None:
    texts = {"edited": (b"a\nb\n", b"a\nc\n"), "added": (b"", b"new\n"), "gone": (b"old\n", b"")}
    texts |= {"a b": (b"1\n", b"2\n"), "q\tq": (b"", b"q\n"), "link": (b"", b"/target")}
    sides = {
        "added": (None, entry()),
        "gone": (entry(), None),
        "q\tq": (None, entry(mode=0o755)),
        "link": (None, entry(Kind.SYMLINK, mode=0o777)),
    }
    changes = [
        changed(path.encode(), *sides.get(path, (entry(), entry(content="2")))) for path in texts
    ]
    for path, (old, _) in texts.items():
        if old:
            (tmp_path / path).write_bytes(old)
    apply = ["git", "-C", os.fspath(tmp_path), "apply", "-"]
    subprocess.run(apply, input=diff(*changes, **texts).encode(), check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(texts.keys() - {"gone"})
    assert os.readlink(tmp_path / "link") == "/target"
    assert os.access(tmp_path / "q\tq", os.X_OK)
    for path in ("edited", "added", "a b"):
        assert (tmp_path / path).read_bytes() == texts[path][1]
