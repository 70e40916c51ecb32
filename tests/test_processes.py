from __future__ import annotations

import os
import time

from lxgit.processes import die_with_parent


def test_nobody_outlives_a_parent_that_died_before_the_kernel_was_asked() -> None:
    said, words = os.pipe()
    parent = os.fork()
    if not parent:
        parent = os.getpid()
        if os.fork():
            os._exit(0)
        while os.getppid() == parent:
            time.sleep(0.001)
        die_with_parent(parent)
        os.write(words, b"lives")
        os._exit(0)
    os.close(words)
    os.waitpid(parent, 0)
    with open(said, "rb") as file:
        assert file.read() == b""
