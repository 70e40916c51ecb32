"""How the command line, which knows no room but operations, writes words for a shell."""

from __future__ import annotations

from lxgit.objects.shellwords import shell_line

__all__ = ["shell_line"]
