"""Instructions of Dockerfiles that `build` carries out as BuildKit does: rarer forms of them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def built(lxgit: Lxgit, text: str, *options: str) -> str:
    """The id of what a Dockerfile makes, without a context or a network."""
    made = lxgit("build", "-q", "--network", "none", *options, "-", stdin=text.encode())
    return made.out.strip()


def env(lxgit: Lxgit, image: str) -> list[str]:
    (told,) = lxgit("inspect", image).json
    found: list[str] = told["Config"]["Env"]
    return found


def test_a_stage_knows_the_arguments_of_the_one_it_begins_with(based: Lxgit) -> None:
    text = """\
FROM base AS one
ARG A=1
ARG B=2
FROM one AS two
ARG C=$A
FROM two
ENV D=$A$B$C
FROM base
ENV E=x$A
"""
    assert env(based, built(based, text, "--target", "2")) == ["D=121"]
    assert env(based, built(based, text, "--target", "2", "--build-arg", "A=3")) == ["D=323"]
    assert env(based, built(based, text)) == ["E=x"]


def test_of_two_stages_with_one_name_the_later_counts(based: Lxgit) -> None:
    text = "FROM base AS a\nENV A=1\nFROM a AS A\nENV B=2\nFROM a\nENV C=3\n"
    assert env(based, built(based, text)) == ["A=1", "B=2", "C=3"]
    assert env(based, built(based, text, "--target", "a")) == ["A=1", "B=2"]


def test_path_is_there_where_the_image_says_none(based: Lxgit) -> None:
    made = built(based, "FROM base\nENV PATH=/opt/bin:$PATH\nRUN ls / >/dev/null\n")
    assert env(based, made) == [f"PATH=/opt/bin:{DEFAULT_PATH}"]


def test_workdir_is_the_users(based: Lxgit) -> None:
    text = """\
FROM base
USER 12:13
WORKDIR /made/by
RUN touch mine; stat -c %u:%g / /made /made/by >told
USER 0
WORKDIR /made/root
RUN stat -c %u:%g . >told
USER unknown
WORKDIR /made/by
WORKDIR /made/unknown
USER 0
RUN stat -c %u:%g . >told
"""
    made = built(based, text)
    assert based("show", f"{made}:/made/by/told").lines == ["0:0", "12:13", "12:13"]
    assert based("show", f"{made}:/made/root/told").lines == ["0:0"]
    assert based("show", f"{made}:/made/unknown/told").lines == ["0:0"]


def test_what_a_step_has(based: Lxgit) -> None:
    text = """\
FROM base
RUN grep -w far /etc/hosts >/told; df -k /dev/shm | tail -1 >>/told; nproc >/dev/null
"""
    words = ("--add-host", "far:10.9.8.7", "--shm-size", "8m", "--rm", "--force-rm")
    hosts, shm = based("show", f"{built(based, text, *words)}:/told").lines
    assert hosts.split() == ["10.9.8.7", "far"]
    assert shm.split()[1] == "8192"
    other = built(based, text, "--add-host", "far:10.9.8.6", "--progress", "plain")
    assert based("show", f"{other}:/told").lines[0].startswith("10.9.8.6")


def test_the_memory_of_a_step_is_bounded(based: Lxgit) -> None:
    text = (
        "FROM base\nRUN cat /sys/fs/cgroup/memory.max || head -c 64m /dev/zero | tail >/dev/null\n"
    )
    told = based("build", "--no-cache", "--memory", "24m", "-", stdin=text.encode(), code=None)
    assert "25165824" in told.out or "line 2, RUN: the command" in told.err


def test_platforms(based: Lxgit) -> None:
    own = built(based, "FROM base\nARG TARGETPLATFORM\nENV P=$TARGETPLATFORM\n")
    (told,) = env(based, own)
    platform = told.removeprefix("P=")
    text = f"FROM --platform={platform} base\n"
    assert built(based, text, "--platform", platform) == built(based, "FROM base\n")
    for words, line in (((), "--platform=linux/s390x base"), (("--platform", "windows/x"), "base")):
        failed = based("build", *words, "-", stdin=f"FROM {line}\n".encode(), code=1)
        assert "is another machine's" in failed.err
    assert "--progress" in based("build", "--progress", "loud", "-", code=2).err


def test_a_cache_begins_with_what_another_stage_has(based: Lxgit) -> None:
    text = """\
FROM base AS seeds
RUN mkdir -p /q/deep && echo seed >/q/deep/file && chown 5:6 /q/deep/file && chmod 700 /q
FROM base
RUN --mount=type=cache,target=/c,from=seeds,source=/q stat -c '%a %u:%g' /c /c/deep/file >/told; \\
  cat /c/deep/file >>/told; echo grown >/c/deep/file
RUN --mount=type=cache,target=/c,from=seeds,source=/q cat /c/deep/file >>/told
"""
    told = based("show", f"{built(based, text)}:/told").lines
    assert told == ["700 0:0", "644 5:6", "seed", "grown"]
    text = "FROM base\nRUN --mount=type=cache,target=/f,from=base,source=/etc/passwd true\n"
    failed = based("build", "-", stdin=text.encode(), code=1)
    assert "a cache begins with a directory" in failed.err


def test_a_private_cache_is_one_commands_at_a_time(based: Lxgit) -> None:
    text = "FROM base\nRUN --mount=type=cache,target=/c,sharing=private ls /c >/told; touch /c/x"
    hold = f"{text}; echo here; while [ ! -e /c/go ]; do sleep 0.05; done\n"
    words = [os.fspath(PROGRAM), "build", "--network", "none", "-"]
    with subprocess.Popen(
        words, env=based.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(hold)
        process.stdin.close()
        assert "here\n" in iter(process.stdout.readline, "")
        other = built(based, f"{text}\n")
        assert based("show", f"{other}:/told").out == ""
        (first, second) = sorted(based("volume", "ls", "-q").lines)
        assert second == f"{first}-1"
        (based.store / "volumes" / first / "data/go").touch()
        process.stdout.read()
    assert process.returncode == 0
    again = built(based, f"{text}; true\n")
    assert based("show", f"{again}:/told").lines == ["go", "x"]
