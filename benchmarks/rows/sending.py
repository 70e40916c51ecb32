"""An image goes out: into an archive, into an empty registry, and where it is already."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row, Void
from benchmarks.workbench import IMAGE
from tests.support.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.programs import Program
    from benchmarks.workbench import Workbench

_FORM = ("--format", "oci-archive")


def rows(bench: Workbench) -> list[Row]:
    about = bench.inputs.large.about
    return [
        Row(
            "save",
            f"`save` as an OCI archive, {about}",
            "podman",
            partial(_save, bench),
            reach=0.8,
            rounds=5,
            warm_up=0,
        ),
        Row(
            "push",
            f"`push` to an empty registry on loopback, {about}",
            "podman",
            partial(_push, bench),
            reach=0.8,
            rounds=5,
            warm_up=0,
        ),
        Row(
            "push-again",
            "`push` of the same to the same registry, under another tag",
            "podman",
            partial(_push_again, bench),
        ),
    ]


@contextmanager
def _registry(bench: Workbench) -> Iterator[str]:
    """An empty one on loopback, as `HOST:PORT`. Void."""
    if shutil.which("docker-registry") is None:
        raise Void("no docker-registry on this machine")
    with registry(bench.place("registry")) as made:
        yield made.host


@contextmanager
def _save(bench: Workbench) -> Iterator[Contest]:
    def seconds(program: Program, image: str) -> float:
        bench.settle()
        return program.seconds("save", *_FORM, "-o", str(bench.place("saved")), image)

    ours, podman = _both(bench)
    yield Contest(
        partial(seconds, ours, IMAGE),
        partial(seconds, podman, f"localhost/{IMAGE}"),
    )


@contextmanager
def _push(bench: Workbench) -> Iterator[Contest]:
    """Each round has a registry of its own, and lxgit no notes of what layers became."""
    store = bench.store(bench.inputs.large)
    ours, podman = _both(bench)

    def push(program: Program, *words: str) -> float:
        (store.directory / "layer-notes").unlink(missing_ok=True)
        bench.settle()
        with _registry(bench) as host:
            return program.seconds("push", *words, f"{host}/{IMAGE}")

    yield Contest(
        partial(push, ours, IMAGE),
        partial(push, podman, "--tls-verify=false", f"localhost/{IMAGE}"),
    )


@contextmanager
def _push_again(bench: Workbench) -> Iterator[Contest]:
    ours, podman = _both(bench)
    with _registry(bench) as host:
        own = ("push", IMAGE, f"{host}/ours")
        theirs = ("push", "--tls-verify=false", f"localhost/{IMAGE}", f"{host}/theirs")
        ours.run(*own)
        podman.run(*theirs)
        yield Contest(
            partial(ours.seconds, *own[:-1], f"{own[-1]}:again"),
            partial(podman.seconds, *theirs[:-1], f"{theirs[-1]}:again"),
        )


def _both(bench: Workbench) -> tuple[Program, Program]:
    image = bench.inputs.large
    return bench.store(image).program, bench.podman(image).program
