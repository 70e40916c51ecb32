"""What this is made of: versions of lxgit and of what it runs on."""

from __future__ import annotations

import os
import platform
import re
import subprocess

from lxgit import __version__
from lxgit.objects.git import git_program
from lxgit.runtime.lxc import LXC_START

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def versions() -> dict[str, str]:
    """Names and versions; empty for what is not installed."""
    return {
        "Version": __version__,
        "Python": platform.python_version(),
        "Git": program_version(git_program(), "--version"),
        "LXC": program_version(LXC_START, "--version"),
        "Kernel": os.uname().release,
        "ErofsUtils": program_version("mkfs.erofs", "-V"),
        "Os": "linux",
        "Arch": os.uname().machine,
    }


def program_version(program: str, option: str) -> str:
    """The number that a program tells of itself; empty where it is not installed."""
    try:
        done = subprocess.run(
            [program, option], capture_output=True, env={"PATH": _PATH}, check=False, timeout=10
        )
    except FileNotFoundError:
        return ""
    told = (done.stdout + done.stderr).decode("utf-8", "replace")
    found = re.search(r"[0-9]+(?:\.[0-9]+)+[0-9a-z.+~-]*", told)
    return found[0] if found else ""
