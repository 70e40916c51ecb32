"""One target under one engine: python -m tests.fuzz.engines ENGINE TARGET SECONDS SEED."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

FINDINGS = Path("build", "fuzz")
_LARGEST = 1 << 16  # bytes of one input


def with_atheris(name: str, seconds: int, seed: int) -> None:
    """Libfuzzer: it exits by itself, 0 when nothing broke."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["lxgit"]):
        target = chosen(name)
    corpus = FINDINGS / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    atheris.Setup(
        [
            *(sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-seed={seed}"),
            *(f"-max_len={_LARGEST}", "-timeout=60", "-rss_limit_mb=2048", "-verbosity=0"),
            f"-artifact_prefix={FINDINGS}/{name}-",
        ],
        target.run,
    )
    atheris.Fuzz()


def with_hypothesis(name: str, seconds: int, seed: int) -> None:
    """Mutations of the seeds until the time is up."""
    import hypothesis

    from tests.fuzz.mutations import mutated

    target = chosen(name)
    end = time.monotonic() + seconds

    @hypothesis.settings(
        max_examples=2000,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(data=mutated(target.seeds))
    def attempt(data: bytes) -> None:
        try:
            target.run(data)
        except BaseException:
            (FINDINGS / f"{name}-broken").write_bytes(data)
            raise

    while time.monotonic() < end:
        hypothesis.seed(seed)(attempt)()
        seed += 1


def chosen(name: str) -> Target:
    from tests.fuzz.targets import TARGETS

    return next(target for target in TARGETS if target.name == name)


def main() -> None:
    """Exits with 1 when the target is broken."""
    engine, name, seconds, seed = sys.argv[1:]
    # Everything that the targets write goes below one directory, removed also when libFuzzer exits.
    with tempfile.TemporaryDirectory(prefix="lxgit-fuzz-") as scratch:
        tempfile.tempdir = scratch
        run = {"atheris": with_atheris, "hypothesis": with_hypothesis}[engine]
        child = os.fork()
        if not child:
            run(name, int(seconds), int(seed))
            os._exit(0)
        _, status = os.waitpid(child, 0)
    sys.exit(1 if status else 0)


if __name__ == "__main__":
    main()
