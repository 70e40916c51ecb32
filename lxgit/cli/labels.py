"""Labels, as they are given to containers and volumes."""

from __future__ import annotations

from lxgit.errors import UsageError


def labels_of(texts: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE`, or NAME for an empty value; the last one of a name counts. UsageError."""
    pairs = [text.partition("=") for text in texts]
    for text, (name, _, _) in zip(texts, pairs, strict=True):
        if not name.strip():
            raise UsageError(f"'{text}' names no label", hint="--label NAME=VALUE")
    return {name: value for name, _, value in pairs}
