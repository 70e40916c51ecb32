"""`build`: Dockerfiles become commits; the steps, their cache, and what is left when one fails."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit, Result
    from tests.support.stockgit import StockGit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

COMMIT = r"[0-9a-f]{40}"


def build(lxgit: Lxgit, context: Path, text: str, *options: str, code: int | None = 0) -> Result:
    """Build a Dockerfile in a context, RUN without a network."""
    (context / "Dockerfile").write_text(text)
    return lxgit("build", "--network", "none", *options, context, code=code)


def quiet(lxgit: Lxgit, context: Path, text: str, *options: str) -> str:
    """Build, and the id of what was built."""
    return build(lxgit, context, text, "-q", *options).out.strip()


def prints(lxgit: Lxgit, image: str, *command: str) -> list[str]:
    return lxgit("run", "--rm", "--network", "none", image, *command).lines


def config(lxgit: Lxgit, image: str) -> dict[str, object]:
    (told,) = lxgit("inspect", image).json
    found: dict[str, object] = told["Config"]
    return found


def steps(result: Result) -> list[bool]:
    """Of each step behind the FROMs, whether it was found in the cache."""
    begun = [line for line in result.lines if re.search(rf" \({COMMIT}\)$", line)]
    places = [result.lines.index(line) for line in begun]
    found = [result.lines[place + 1] == "===> Using cache" for place in places]
    assert len(found) == len(begun)
    return found


def test_what_it_prints(based: Lxgit, context: Path) -> None:
    text = "FROM base\nRUN echo here | \\\n  tee /tmp/log\nLABEL a=b\n"
    base = based("rev-parse", "base").out.strip()
    first = build(based, context, text).lines
    patterns = [
        "FROM base \\(\\)",
        f"===> {base}",
        f"RUN echo here \\| tee /tmp/log \\({base}\\)",
        "here",
        f"===> {COMMIT}",
        f"LABEL a=b \\({COMMIT}\\)",
        f"===> {COMMIT}",
        "Build successful.",
        f"===> {COMMIT}",
    ]
    assert len(first) == len(patterns), first
    assert all(map(re.fullmatch, patterns, first)), first
    again = build(based, context, text).lines
    assert [line for line in again if line != "===> Using cache"] == [
        line for line in first if line != "here"
    ]
    assert again.count("===> Using cache") == 2
    file = context.parent / "id"
    assert build(based, context, text, "-q", "--iidfile", str(file)).out == first[-1][5:] + "\n"
    assert file.read_text() == first[-1].removeprefix("===> ")
    assert not based("ps", "-aq").lines


def test_the_history_is_the_dockerfile(based: Lxgit, context: Path, git: StockGit) -> None:
    text = (
        "FROM base\nMAINTAINER Ada <ada@example.org>\nENV A=1\nRUN echo $A >/made\n"
        "CMD /bin/echo 'a b'\n"
    )
    made = quiet(based, context, text, "-t", "web")
    log = based("log", "--oneline", "web").lines
    assert [line.partition(" ")[2] for line in log] == [
        "CMD /bin/echo 'a b'",
        "RUN echo $A >/made",
        "ENV A=1",
        "MAINTAINER Ada <ada@example.org>",
        "A small machine",
    ]
    (told,) = based("inspect", made).json
    assert told["Author"] == "Ada <ada@example.org>"
    assert told["ContainerConfig"]["Cmd"] == [
        "/bin/sh",
        "-c",
        "#(nop) CMD [/bin/sh -c /bin/echo 'a b']",
    ]
    (run,) = based("inspect", f"{made}~1").json
    assert run["ContainerConfig"]["Cmd"] == ["/bin/sh", "-c", "echo $A >/made"]
    assert re.fullmatch("[0-9a-f]{64}", run["Container"])
    assert prints(based, made) == ["a b"]
    assert prints(based, made, "cat", "/made") == ["1"]
    assert not git("fsck", "--strict", "--no-dangling").strip()


BEFORE = """\
FROM base
ARG V=1
COPY one /etc/
RUN echo >/made
ARG W
RUN echo $W >/also
"""
ALL = [True] * 5


@pytest.mark.parametrize(
    ("change", "options", "hits"),
    [
        ("true", (), ALL),
        ("touch -d 2001-01-01 one; touch new", (), ALL),
        ("echo '# remark' >>Dockerfile", (), ALL),
        ("sed -i 's/COPY/copy/' Dockerfile", (), ALL),
        ("true", ("--build-arg", "V=1"), ALL),
        ("true", ("--no-cache",), [False] * 5),
        ("true", ("--build-arg", "V=2"), [True, True, False, False, False]),
        ("true", ("--build-arg", "W=2"), [True, True, True, True, False]),
        ("echo other >one", (), [True, False, False, False, False]),
        ("chmod 600 one", (), [True, False, False, False, False]),
        ("sed -i 's/V=1/V=3/' Dockerfile", (), [False] * 5),
        ("sed -i 's/echo >/echo x >/' Dockerfile", (), [True, True, False, False, False]),
        ("sed -i 's/RUN echo .W/RUN --network=host echo $W/' Dockerfile", (), [True] * 4 + [False]),
        ("sed -i '2aENV V=1' Dockerfile", (), [True] + [False] * 5),
    ],
)
def test_what_is_found_in_the_cache(
    based: Lxgit, context: Path, change: str, options: tuple[str, ...], hits: list[bool]
) -> None:
    (context / "one").write_text("one\n")
    assert steps(build(based, context, BEFORE)) == [False] * 5
    subprocess.run(["sh", "-c", change], cwd=context, check=True)
    again = based("build", "--network", "none", *options, context)
    assert steps(again) == hits


def test_a_step_that_fails(based: Lxgit, context: Path) -> None:
    text = "FROM base\nRUN echo kept >/kept\n\nRUN echo said; \\\n  exit 7\nRUN false\n"
    failed = build(based, context, text, "-q", code=1)
    assert "lxgit: line 4, RUN: the command exited with 7" in failed.err
    assert "said" in failed.err
    assert not failed.out
    assert not based("ps", "-aq").lines
    again = build(based, context, text, code=1)
    assert steps(again) == [True, False]
    mended = build(based, context, text.replace("exit 7", "exit 0").replace("RUN false", ""))
    assert steps(mended) == [True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM nothing", "line 1, FROM: there is no 'nothing'"),
        ("FROM base\nRUN /nothing", "line 2, RUN: the command exited with 127"),
        ('FROM base\nRUN ["/nothing"]', "line 2, RUN: "),
        (
            "FROM base\nRUN sleep 9 & kill -9 $!; wait $!",
            "line 2, RUN: the command was ended by SIGKILL",
        ),
        pytest.param(
            f"FROM base\nRUN : {'x' * (1 << 17)}", "line 2, RUN: an argument or a var", id="long"
        ),
        ("FROM base\nEXPOSE http", "line 2, EXPOSE: 'http' is no port"),
        ("FROM base\nCOPY nothing /", "line 2, COPY: there is no 'nothing' to copy"),
        ("FROM base\nCOPY --from=other a /", "line 2, COPY: "),
        ("FROM base\nCOPY --chown=nobody-there Dockerfile /", "line 2, COPY: "),
        ("FROM --platform=linux/s390x base", "line 1, FROM: the platform 'linux/s390x'"),
        ("FROM $NONE", "line 1, FROM: '$NONE' stands for nothing"),
        ("FROM base\nWORKDIR /etc/passwd", "line 2, WORKDIR: '/etc/passwd' in the image is a file"),
        ("FROM base\nRUN --mount=type=secret,id=k,required true", "line 2, RUN: the secret 'k'"),
        ("FROM base\nRUN --mount=type=ssh true", "line 2, RUN: --mount=type=ssh"),
        (
            "FROM base\nRUN --mount=type=bind,source=x,target=/x true",
            "line 2, RUN: there is no 'x'",
        ),
        ("FROM base\nRUN --security=insecure true", "line 2, RUN: --security"),
        ("FROM base\nADD --checksum=sha256:x Dockerfile /", "line 2, ADD: --checksum is of an"),
        ("FROM base\nARG 1A", "line 2, ARG: '1A' cannot be the name"),
        ("FROM base\nRUN --network=mine true", "line 2, RUN: "),
    ],
)
def test_what_is_refused(based: Lxgit, context: Path, text: str, words: str) -> None:
    failed = build(based, context, text, code=1)
    assert f"lxgit: {words}" in failed.err, failed.err
    assert not based("ps", "-aq").lines
    assert not [name for name in os.listdir(based.store / "tmp") if name.startswith("owner-")]


GROWN = "ARG A=aaaaaaaa\n" + "ARG A=$A$A\n" * 16
"""512 KiB."""

MANY = [f"B{number}=$A" for number in range(40)]
DOCUMENTS = " ".join(f"<<d{number}" for number in range(40)) + " /\n"
DOCUMENTS += "".join(f"$A\nd{number}\n" for number in range(40))


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("\n".join([GROWN, *(f"ARG {one}" for one in MANY), "FROM base"]), "ARG"),
        ("\n".join(["FROM base", GROWN, *(f"ARG {one}" for one in MANY)]), "ARG"),
        (f"{GROWN}\nFROM base\nARG A\nLABEL {' '.join(MANY)}", "LABEL"),
        (f"{GROWN}\nFROM base\nARG A\nCOPY {'$A ' * 40} /", "COPY"),
        (f"{GROWN}\nFROM base\nARG A\nCOPY {DOCUMENTS}", "COPY"),
    ],
)
def test_variables_fill_no_memory(based: Lxgit, context: Path, text: str, step: str) -> None:
    """Together; one by one they are short enough."""
    failed = build(based, context, text, code=1)
    assert f", {step}: what its variables stand for has more than 16 MiB in all\n" in failed.err


STAGES = """\
ARG FIRST=base
FROM $FIRST AS tools
RUN mkdir /all && echo tool >/all/tool && ln /all/tool /all/twin
FROM base AS unneeded
RUN exit 9
FROM tools AS both
FROM base
COPY --from=tools /all /opt/
COPY --from=0 /all/tool /opt/first
COPY --from=base /etc/hostname /opt/
RUN ls -1 /opt; [ /opt/tool -ef /opt/twin ]
FROM base AS last
RUN exit 8
"""


def test_stages(based: Lxgit, context: Path) -> None:
    built = build(based, context, STAGES, "--target", "3")
    assert "RUN exit 9" not in built.out
    assert [line for line in built.lines if line in ("first", "hostname", "tool", "twin")] == [
        "first",
        "hostname",
        "tool",
        "twin",
    ]
    tools = quiet(based, context, STAGES, "--target", "TOOLS")
    assert prints(based, tools, "cat", "/all/tool") == ["tool"]
    assert quiet(based, context, STAGES, "--target", "both") == tools
    assert "line 13, RUN" in build(based, context, STAGES, code=1).err
    assert "no stage 'lost'" in build(based, context, STAGES, "--target", "lost", code=1).err


def test_scratch(based: Lxgit, context: Path) -> None:
    text = 'FROM scratch\nCOPY --from=base /bin/busybox /bin/\nENTRYPOINT ["/bin/busybox"]\n'
    made = quiet(based, context, text)
    assert prints(based, made, "find", "/bin") == ["/bin", "/bin/busybox"]
    assert based("log", "--oneline", made).lines[-1].endswith(" FROM scratch")
    empty = quiet(based, context, "FROM scratch\n")
    assert empty == based("rev-parse", f"{made}~2").out.strip()


def test_config(based: Lxgit, context: Path) -> None:
    text = """\
FROM base
CMD ["old"]
ARG PORT=80
ENV DIR=/srv PORT=81
LABEL a=$PORT
EXPOSE ${PORT}
WORKDIR $DIR/deep
WORKDIR er
RUN pwd >here
USER 33:44
SHELL ["/bin/sh", "-e", "-c"]
RUN false; true
"""
    failed = build(based, context, text, code=1)
    assert "line 12, RUN" in failed.err
    made = quiet(based, context, text.replace("false; ", "[ $(id -u) = 33 ]; "), "--label", "b=c d")
    assert config(based, made) == {
        "Cmd": ["old"],
        "Env": ["DIR=/srv", "PORT=81"],
        "ExposedPorts": {"81/tcp": {}},
        "Labels": {"a": "81", "b": "c d"},
        "Shell": ["/bin/sh", "-e", "-c"],
        "User": "33:44",
        "WorkingDir": "/srv/deep/er",
    }
    assert prints(based, made, "cat", "/srv/deep/er/here") == ["/srv/deep/er"]
    for own, cmd in (("", None), ('CMD ["x"]\n', ["x"])):
        text = f'FROM {made}\n{own}ENTRYPOINT ["/bin/echo"]\n'
        assert config(based, quiet(based, context, text)).get("Cmd") == cmd


def test_what_an_image_puts_off(based: Lxgit, context: Path) -> None:
    (context / "app").write_text("app\n")
    text = (
        "FROM base\nONBUILD COPY app /srv/\nONBUILD RUN cat /srv/app >/log\nONBUILD CMD cat /log\n"
    )
    parent = quiet(based, context, text)
    made = quiet(based, context, f"FROM {parent}\n")
    assert prints(based, made) == ["app"]
    assert "OnBuild" not in config(based, made)
    text = "FROM base\nONBUILD RUN exit 3\n"
    failed = build(based, context, f"FROM {quiet(based, context, text)}\n", code=1)
    assert "ONBUILD of the image, RUN: the command exited with 3" in failed.err


ARGUMENTS = """\
ARG OUTER=1
FROM base
ARG A=a
ARG B=$A$OUTER
ARG OUTER
ENV C=c$OUTER
ARG C=lost
ARG TARGETARCH
RUN echo "$A $B $C $OUTER $OTHER $http_proxy" >/told
"""


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "a a c1 1  "),
        (("A=x", "C=y", "OUTER=2", "OTHER=z"), "x x c2 2  "),
        (("http_proxy=http://127.0.0.1:9",), "a a c1 1  http://127.0.0.1:9"),
    ],
)
def test_arguments(based: Lxgit, context: Path, options: tuple[str, ...], told: str) -> None:
    words = [word for option in options for word in ("--build-arg", option)]
    result = build(based, context, ARGUMENTS, "-q", *words)
    assert prints(based, result.out.strip(), "cat", "/told") == [told]
    assert ("OTHER: no ARG" in result.err) == ("OTHER=z" in options)
    assert config(based, result.out.strip())["Env"][:1] == [f"C=c{told.split()[3]}"]  # type: ignore[index]


def test_here_documents(based: Lxgit, context: Path) -> None:
    text = """\
FROM base
ENV A=1
COPY <<one <<"two" /srv/
v=$A
one
v=$A
two
RUN <<EOF
cat /srv/one /srv/two >/all
echo $A >>/all
EOF
RUN cat <<EOF >>/all
b=$A
EOF
"""
    assert prints(based, quiet(based, context, text), "cat", "/all") == ["v=1", "v=$A", "1", "b=1"]


def test_mounts(based: Lxgit, context: Path) -> None:
    (context / "file").write_text("of the context\n")
    (context / "out").symlink_to(context.parent)
    secret = context.parent / "secret"
    secret.write_text("hush\n")
    text = """\
FROM base AS other
RUN echo other >/other
FROM base
RUN --mount=type=bind,target=/ctx,rw --mount=type=bind,from=other,source=/other,target=/o \\
  --mount=type=cache,target=/cache --mount=type=tmpfs,target=/t,size=1m \\
  --mount=type=secret,id=key --mount=type=secret,id=key,env=KEY \\
  cat /ctx/file /o /run/secrets/key >/all; echo $KEY >>/all; echo x >/ctx/new; echo x >>/cache/x; \\
  wc -l </cache/x >>/all; df /t | grep -c tmpfs >>/all; [ ! -e /ctx/out/secret ]
"""
    arguments = ("--secret", f"id=key,src={secret}")
    made = quiet(based, context, text, *arguments)
    lines = ["of the context", "other", "hush", "hush", "1", "1"]
    assert prints(based, made, "cat", "/all") == lines
    assert prints(based, made, "sh", "-c", "ls -d /ctx /o /cache /t /run/secrets; true") == []
    assert not (context / "new").exists()
    again = quiet(based, context, text, *arguments, "--no-cache")
    assert prints(based, again, "cat", "/all")[4] == "2"
    assert quiet(based, context, text) == again  # a secret is no part of the key
    (context / "file").write_text("changed\n")
    assert quiet(based, context, text, *arguments) != again
    assert len(based("volume", "ls", "-q").lines) == 1
    assert "1 caches of RUN" in based("builder", "prune", "-af").out
    assert based("volume", "ls", "-q").lines == []


def test_names(based: Lxgit, context: Path) -> None:
    build(based, context, "FROM base\nLABEL a=1\n", "-t", "web", "-t", "web:v1", "-m", "First")
    first = based("rev-parse", "web").out
    assert based("rev-parse", "web:v1").out == first
    assert based("log", "--oneline", "web").lines[0].endswith(" First")
    build(based, context, "FROM base\nLABEL a=2\n", "-t", "web")  # what only builds have moved
    second = based("rev-parse", "web").out
    assert second != first
    assert based("reflog", "web").lines[0].endswith("build: web")
    based("run", "--network", "none", "--name", "mine", "web", "touch", "/mine")
    based("commit", "-m", "Mine", "mine")
    refused = build(based, context, "FROM base\nLABEL a=3\n", "-t", "web", code=1)
    assert "'web' has commits" in refused.err
    build(based, context, "FROM web\nLABEL a=3\n", "-t", "web")  # onto what was committed
    build(based, context, "FROM base\nLABEL a=3\n", "-t", "web", "--force")
    based("undo")
    assert based("show", "web~1", code=None).out.startswith("commit")
    assert build(based, context, "FROM base\n", "-t", "a b", code=None).code != 0


def test_the_cache_is_gcs_to_keep(based: Lxgit, context: Path, git: StockGit) -> None:
    text = "FROM base\nRUN echo x >/x\nLABEL a=1\n"
    made = quiet(based, context, text)
    based("gc", "--now")
    git("gc", "--prune=now")
    assert quiet(based, context, text) == made
    assert steps(build(based, context, text)) == [True, True]
    based("fsck")
    rows = {row["type"]: row for row in based("system", "df", "--format", "json").json}
    assert (rows["Build Cache"]["total"], rows["Build Cache"]["active"]) == (2, 0)
    assert rows["Build Cache"]["reclaimable"] > 0
    listed = subprocess.run(
        ["git", "ls-remote", based.store / "git"], capture_output=True, check=True
    )
    assert b"refs/lxgit" not in listed.stdout
    based("branch", "kept", f"{made}~1")
    assert based("builder", "prune", "-f").lines == ["Forgot 1 steps of builds."]
    assert steps(build(based, context, text)) == [True, False]
    assert "Forgot 2 steps" in based("builder", "prune", "-a", "-f").out
    assert "wants a terminal" in based("builder", "prune", code=2).err
    based("gc", "--now")
    assert based("rev-parse", made, code=None).code == 1


def test_where_the_dockerfile_comes_from(based: Lxgit, context: Path) -> None:
    text = b"FROM base\nRUN echo x >/x\n"
    made = based("build", "--network", "none", "-q", "-", stdin=text).out
    (context / "other").write_bytes(text)
    (context / "file").write_text("file\n")
    packed = subprocess.check_output(["tar", "-C", context, "-cz", "."])
    for arguments, stdin in (
        (("-f", f"{context}/other", f"{context}"), b""),
        (("-f", "-", f"{context}"), text),
        (("-f", "other", "-"), packed),
    ):
        found = based("build", "--network", "none", "-q", *arguments, stdin=stdin)
        assert found.out == made
    copying = based("build", "-", stdin=b"FROM base\nCOPY file /\n", code=1)
    assert "there is no 'file' to copy" in copying.err
    for wrong in (("-f", "-", "-"), (f"{context}/none",), ("--secret", "x", f"{context}")):
        assert based("build", *wrong, code=None).err.startswith("lxgit: ")


def test_run_has_the_ulimits_that_were_asked_for(based: Lxgit, context: Path) -> None:
    text = "FROM base\nRUN ulimit -n >/n; ulimit -H -n >>/n\n"
    build(based, context, text, "-t", "limited", "--ulimit", "nofile=100:200")
    assert prints(based, "limited", "cat", "/n") == ["100", "200"]
    refused = build(based, context, text + "RUN true\n", "--ulimit", "nofiles=1", code=1)
    assert "nofiles" in refused.err
