"""What is used of pygit2, without the package, and together with it."""

from __future__ import annotations

import subprocess
import sys


def run(program: str) -> list[str]:
    """What a new Python prints."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()


def test_the_package_is_not_loaded() -> None:
    assert run(
        "import sys\n"
        "from lxgit.objects.libgit2 import libgit2\n"
        "assert 'pygit2' not in sys.modules\n"
        "print(libgit2().hash(b'hello\\n'))\n"
        "print(libgit2() is libgit2(), issubclass(libgit2().GitError, Exception))\n"
        "print('pygit2' in sys.modules)\n"
    ) == ["ce013625030ba8dba906f756967f9e9ca394464a", "True True", "False"]


def test_the_package_can_be_imported_afterwards() -> None:
    assert run(
        "from lxgit.objects.libgit2 import libgit2\n"
        "from lxgit.objects.textdiff import unified_hunks\n"
        "print(unified_hunks(b'a\\n', b'b\\n'))\n"
        "import pygit2\n"
        "print(pygit2.hash is libgit2().hash, pygit2.Patch.create_from(b'a', b'b').delta.status)\n"
    ) == [r"b'@@ -1 +1 @@\n-a\n+b\n'", "True 3"]
