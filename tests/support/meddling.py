"""Changes of a root filesystem such as a container makes, by lot."""

from __future__ import annotations

import os
import random
import shutil
import stat

NAMES = [b"a", b"b", b"c", b"d", b".git", b"%x", b"\xff"]


class Meddler:
    """Random changes of the current directory, all of them legal."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __call__(self) -> None:
        for _ in range(self.random.randint(1, 12)):
            self.random.choice(
                [
                    self.write,
                    self.write,
                    self.make,
                    self.remove,
                    self.link,
                    self.move,
                    self.chmod,
                    self.chown,
                    self.symlink,
                    self.fifo,
                    self.touch,
                    self.xattr,
                ]
            )()

    def entries(self, *, directories: bool) -> list[bytes]:
        found = []
        for top, below, files in os.walk(b"."):
            for name in (*below, *files):
                path = os.path.join(top, name)
                if stat.S_ISDIR(os.lstat(path).st_mode) is directories:
                    found.append(path)
        return sorted(found)

    def directory(self) -> bytes:
        return self.random.choice([b".", *self.entries(directories=True)])

    def new(self) -> bytes:
        return os.path.join(self.directory(), self.random.choice(NAMES))

    def some(self) -> bytes | None:
        found = self.entries(directories=False)
        return self.random.choice(found) if found else None

    def gone(self, path: bytes) -> bytes:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
        return path

    def write(self) -> None:
        path = self.gone(self.new()) if self.random.random() < 0.5 else self.some()
        if path is not None and not os.path.islink(path) and not _is_special(path):
            with open(path, "ab" if self.random.random() < 0.5 else "wb") as file:
                file.write(b"%d" % self.random.randint(0, 3))

    def make(self) -> None:
        path = self.gone(self.new())
        os.mkdir(path, self.random.choice([0o755, 0o1777, 0o700]))

    def remove(self) -> None:
        found = [*self.entries(directories=False), *self.entries(directories=True)]
        if found:
            self.gone(self.random.choice(found))

    def link(self) -> None:
        path, existing = self.new(), self.some()
        if existing is not None and path != existing and not existing.startswith(path + b"/"):
            self.gone(path)
            os.link(existing, path, follow_symlinks=False)

    def move(self) -> None:
        path, existing = self.new(), self.some()
        if existing is not None and path != existing and not existing.startswith(path + b"/"):
            self.gone(path)
            os.rename(existing, path)

    def chmod(self) -> None:
        path = self.some()
        if path is not None and not os.path.islink(path):
            os.chmod(path, self.random.choice([0o644, 0o755, 0o4755, 0o600]))

    def chown(self) -> None:
        path = self.some()
        if path is not None:
            os.chown(path, self.random.randint(0, 3), 0, follow_symlinks=False)

    def symlink(self) -> None:
        os.symlink(self.random.choice(NAMES), self.gone(self.new()))

    def fifo(self) -> None:
        os.mkfifo(self.gone(self.new()))

    def touch(self) -> None:
        path = self.some()
        if path is not None:
            moment = self.random.randint(-5, 5)
            os.utime(path, ns=(moment, moment), follow_symlinks=False)

    def xattr(self) -> None:
        path = self.some()
        if path is not None and not os.path.islink(path) and not _is_special(path):
            os.setxattr(path, b"user.x", b"%d" % self.random.randint(0, 2))


def _is_special(path: bytes) -> bool:
    return os.path.lexists(path) and stat.S_ISFIFO(os.lstat(path).st_mode)
