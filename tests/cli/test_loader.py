"""Modules as Python finds them: with all that Python gives them, and anew when they were edited."""

from __future__ import annotations

import json
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lxgit.cli import loader

_LOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from lxgit.cli import loader
loader.install()
loader.install()
import lxgit.cli.word as word
facts = [word.__file__, word.__cached__, word.__name__, word.__package__, word.__spec__.origin]
found = type(word.__loader__).__name__
print(json.dumps([word.WORD, found, facts, len(sys.meta_path)]))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An lxgit of three modules, which have been compiled, and of one that says a word."""
    source = Path(loader.__file__).parents[1]
    place = tmp_path / "lxgit/cli"
    place.mkdir(parents=True)
    for name in ("__init__.py", "cli/__init__.py", "cli/loader.py"):
        shutil.copy(source / name, tmp_path / "lxgit" / name)
    (place / "word.py").write_text("WORD = 'one'\n")
    look(tmp_path)
    return tmp_path


def look(place: Path, *options: str, **variables: str) -> tuple[str, str, list[str], int]:
    """The word, the name of what has loaded it, what the module knows of itself, the finders."""
    command = [sys.executable, "-S", *options, "-c", _LOOK, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=True)
    word, found, facts, finders = json.loads(done.stdout)
    return word, found, facts, finders


def test_a_compiled_module_is_found_and_knows_what_python_tells_it(package: Path) -> None:
    ours = look(package)
    (package / "lxgit/cli/__pycache__" / Path(ours[2][1]).name).unlink()
    pythons = look(package)
    assert (ours[0], ours[1]) == ("one", "_Finder")
    assert (pythons[0], pythons[1]) == ("one", "SourceFileLoader")
    assert ours[2:] == pythons[2:]


@pytest.mark.parametrize("text", ["WORD = 'two'\n", "WORD = 'three'\n"], ids=["time", "size"])
def test_a_module_that_was_edited_is_compiled_anew(package: Path, text: str) -> None:
    source = package / "lxgit/cli/word.py"
    before = source.stat()
    source.write_text(text)
    later = before.st_mtime + (10 if len(text) == before.st_size else 0)
    os.utime(source, (later, later))
    word, found, *_ = look(package)
    assert (word, found) == (text.split("'")[1], "SourceFileLoader")
    assert look(package)[:2] == (word, "_Finder")


def test_a_module_that_goes_by_its_digest_is_pythons(package: Path) -> None:
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(str(package / "lxgit/cli/word.py"), invalidation_mode=checked)
    assert look(package)[:2] == ("one", "SourceFileLoader")


def test_a_compiled_one_that_cannot_be_read_is_passed_over(package: Path) -> None:
    """As when root has started it first, with a umask of its own; to root itself, a directory."""
    (compiled,) = (package / "lxgit/cli/__pycache__").glob("loader.*")
    compiled.unlink()
    compiled.mkdir()
    assert look(package)[:2] == ("one", "SourceFileLoader")


def test_optimized_modules_have_names_of_their_own(package: Path) -> None:
    assert look(package, "-O")[1] == "SourceFileLoader"
    word, found, facts, _ = look(package, "-O")
    assert (word, found) == ("one", "_Finder")
    assert facts[1].endswith(".opt-1.pyc")


def test_compiled_modules_elsewhere_are_pythons(package: Path, tmp_path: Path) -> None:
    for _ in range(2):
        found = look(package, PYTHONPYCACHEPREFIX=str(tmp_path / "compiled"))
        assert found[:2] == ("one", "SourceFileLoader")


def test_a_module_that_is_not_there_is_python_to_tell(package: Path) -> None:
    (package / "lxgit/cli/word.py").unlink()
    with pytest.raises(subprocess.CalledProcessError) as raised:
        look(package)
    assert "ModuleNotFoundError: No module named 'lxgit.cli.word'" in raised.value.stderr
