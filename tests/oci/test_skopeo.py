"""What skopeo says comes from registries too: how long it is read for."""

from __future__ import annotations

import time

import pytest

from lxgit.oci import skopeo

LONG = 60_000


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('level=fatal msg="a \\"b\\" c"', 'a "b" c'),
        ("level=fatal no more", "level=fatal no more"),
        ("level=fatal " + 'msg="' * (LONG // 5) + "x", 'level=fatal msg="msg="'),
        ('level=fatal msg="' + "logging into x: " * (LONG // 16) + '"', ""),
        ("reading manifest x in " * (LONG // 22), "reading manifest"),
        ("reading blob sha256:" + "0" * 64 + ": open " + "x: no " * (LONG // 6), "reading blob"),
    ],
    ids=lambda text: text[:20],
)
def test_words_that_are_made_to_take_long(said: str, why: str) -> None:
    begun = time.process_time()
    error = skopeo._failure(said.encode(), "host")
    assert time.process_time() - begun < 1
    assert why in error.message
    assert len(error.message) < 400
