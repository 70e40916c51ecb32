"""The program that `make install` makes."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import lxgit as package

PROJECT = Path(package.__file__).parents[1]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    launcher = [str(PROJECT / "scripts/launcher"), sys.executable]
    directories = [sysconfig.get_path("purelib"), str(PROJECT)]
    program = tmp_path / "lxgit"
    with program.open("wb") as file:
        subprocess.run([*launcher, *directories], stdout=file, check=True)
    program.chmod(0o755)
    return program


def said(program: Path, *words: str, path: str = "") -> tuple[int, str, str]:
    """Exit code, output and errors of the program, called from its directory."""
    done = subprocess.run(
        [program, *words],
        capture_output=True,
        text=True,
        cwd=program.parent,
        env={"PYTHONPATH": path},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_finds_itself_and_what_it_needs(installed: Path) -> None:
    assert said(installed, "--version") == (0, f"lxgit {package.__version__}\n", "")
    assert said(installed, "run", "--help")[0] == 0  # by Typer, which is another's


def test_nobody_who_calls_it_decides_what_it_runs(installed: Path, tmp_path: Path) -> None:
    for name in ("sys", "lxgit", "gc", "os", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("print('mine')\n")
    told = said(installed, "--version", path=str(tmp_path))
    assert told == (0, f"lxgit {package.__version__}\n", "")
