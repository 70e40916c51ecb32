"""What the command line, which knows no room but operations, does with messages."""

from __future__ import annotations

from lxgit.objects.messages import clean_message, subject

__all__ = ["clean_message", "subject"]
