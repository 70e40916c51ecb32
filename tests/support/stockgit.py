"""Stock Git, as a person would run it on the store: the judge of what lxgit writes."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A. U. Thor",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "C. O. Mitter",
    "GIT_COMMITTER_EMAIL": "committer@example.com",
    "GIT_AUTHOR_DATE": "1700000000 +0100",
    "GIT_COMMITTER_DATE": "1700000000 +0100",
}


@dataclass(frozen=True, slots=True)
class StockGit:
    """The git program on one bare repository."""

    git_dir: Path

    def __call__(self, *args: str, stdin: bytes = b"", **environment: str) -> bytes:
        """Git's output; fails the test with what git said when its exit status is not 0."""
        done = self.attempt(*args, stdin=stdin, **environment)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def attempt(
        self, *args: str, stdin: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        """What came of it, whatever the exit status."""
        return subprocess.run(
            ["git", f"--git-dir={self.git_dir}", *args],
            input=stdin,
            capture_output=True,
            env=ENVIRONMENT | environment,
            check=False,
        )

    def word(self, *args: str, stdin: bytes = b"", **environment: str) -> str:
        """Its output without the newline."""
        return self(*args, stdin=stdin, **environment).decode().strip()

    def blob(self, data: bytes) -> str:
        """Write a loose blob; its id."""
        return self.word("hash-object", "-w", "--stdin", stdin=data)

    def tree(self, *entries: tuple[str, str]) -> str:
        """Write a tree of (name, blob id)."""
        lines = "".join(f"100644 blob {oid}\t{name}\n" for name, oid in entries)
        return self.word("mktree", stdin=lines.encode())

    def commit(self, message: str, *parents: str, tree: str | None = None, time: int = 0) -> str:
        """Write a commit `time` seconds after the others' begin."""
        date = f"{1_700_000_000 + time} +0000"
        above = [word for parent in parents for word in ("-p", parent)]
        return self.word(
            "commit-tree",
            tree or self.tree(),
            *above,
            stdin=message.encode(),
            GIT_AUTHOR_DATE=date,
            GIT_COMMITTER_DATE=date,
        )

    def graph(self, shape: list[list[int]], tree: str | None = None) -> dict[int, str]:
        """Commits by number, from `[[1], [2, 1], [3, 1, 2]]`: each with its parents behind it."""
        made: dict[int, str] = {}
        for number, *parents in shape:
            above = [made[parent] for parent in parents]
            made[number] = self.commit(f"commit {number}\n", *above, tree=tree, time=number)
        return made

    def image(self) -> str:
        """Write the tree of an image of nothing."""
        parts = (("config.json", b"{}\n"), ("format", b"lxgit 1\n"), ("links", b""))
        lines = [f"100644 blob {self.blob(data)}\t{name}\n" for name, data in parts]
        lines.append(f"040000 tree {self.tree()}\trootfs\n")
        return self.word("mktree", stdin="".join(lines).encode())

    def fsck(self) -> bytes:
        """Everything that `git fsck --strict` has to say: nothing, for a store."""
        done = self.attempt("fsck", "--strict", "--no-dangling", "--no-progress", "--full")
        return done.stdout + done.stderr + (b"" if done.returncode == 0 else b"(failed)")
