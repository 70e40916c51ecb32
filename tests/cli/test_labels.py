"""Labels that people type."""

from __future__ import annotations

import pytest

from lxgit.cli.labels import labels_of
from lxgit.errors import UsageError


def test_labels_are_names_and_values() -> None:
    texts = ("a=1", "b", "c=x=y", "a=2", "d=")
    assert labels_of(texts) == {"a": "2", "b": "", "c": "x=y", "d": ""}


@pytest.mark.parametrize("text", ["", "=", "=x", " =x"])
def test_what_names_no_label(text: str) -> None:
    with pytest.raises(UsageError, match="names no label"):
        labels_of((text,))
