"""The rooms of docs/architecture.md, held by a walk over all imports, also those in functions."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lxgit"

FOUNDATION = {
    "beneath",
    "enums",
    "errors",
    "eventlog",
    "fsutil",
    "lean",
    "locks",
    "processes",
    "progress",
    "records",
    "spelling",
    "tuples",
}
MAY_IMPORT: dict[str, set[str]] = {
    "beneath": {"lean", "processes"},
    "enums": set(),
    "errors": set(),
    "eventlog": {"tuples"},
    "fsutil": {"beneath", "lean", "processes"},
    "lean": set(),
    "locks": {"errors", "lean"},
    "processes": {"lean"},
    "progress": set(),
    "records": set(),
    "spelling": {"errors", "lean"},
    "tuples": set(),
    "objects": FOUNDATION,
    "repository": FOUNDATION | {"objects"},
    "runtime": FOUNDATION | {"objects", "repository"},
    "oci": FOUNDATION | {"objects"},
    "build": FOUNDATION | {"objects"},
    "operations": FOUNDATION | {"objects", "repository", "runtime", "oci", "build"},
    "cli": {"errors", "lean", "progress", "records", "spelling", "tuples", "operations"},
}
"""Who may import whom; everyone may import themselves and the bare `lxgit` (its version)."""

CONFINED = {
    "pygit2": {"objects"},
    "typer": {"cli"},
    "click": {"cli"},
    "rich": {"cli"},
    "dataclasses": {"records"},  # takes 5 ms to import
}
"""Libraries that stay behind one door."""

CLI_ONLY = {"print", "input", "exit", "quit"}
CLI_ONLY_ATTRIBUTES = {
    ("os", "environ"),
    ("os", "environb"),
    ("os", "getenv"),
    ("os", "getenvb"),
    ("sys", "exit"),
    ("sys", "argv"),
}

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60  # a command's options, a declaration each, are most of the longest

LOADED_LATER = {
    ("lxgit.runtime.index", "lxgit.runtime.registering"),  # once a boot, to write the index anew
    ("lxgit.runtime.attach", "lxgit.runtime.attachment"),  # while the command begins
}
"""Imports in functions that lead back: one subject each, of which most commands load a half."""

SOURCES = sorted(PACKAGE.rglob("*.py"))


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


every_source = pytest.mark.parametrize("source", SOURCES, ids=names(SOURCES))


@cache
def parsed(source: Path) -> ast.Module:
    return ast.parse(source.read_bytes(), filename=str(source))


def room(source: Path) -> str:
    """The part of lxgit that a module belongs to: the first name below the package."""
    return source.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(source: Path) -> Iterator[tuple[int, str]]:
    """Every module that a source names in an import, wherever it stands, with its line."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}:{node.lineno}: a relative import"
            assert node.module is not None
            if node.module == "lxgit":
                yield from ((node.lineno, f"lxgit.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module
        elif isinstance(node, ast.Call) and (name := dynamic_import(node)):
            yield node.lineno, name


def dynamic_import(call: ast.Call) -> str | None:
    """The constant name in `import_module("…")` or `__import__("…")`."""
    function = call.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if called not in {"import_module", "__import__"} or not call.args:
        return None
    match call.args[0]:
        case ast.Constant(value=str(name)):
            return name
    return None


def is_entry(source: Path) -> bool:
    """Whether it is `lxgit/__init__.py` or `lxgit/__main__.py`, which stand above the rooms."""
    return source.parent == PACKAGE and source.stem in {"__init__", "__main__"}


@every_source
def test_imports_follow_the_table(source: Path) -> None:
    if is_entry(source):
        assert all(name.startswith("lxgit.cli") for _, name in imported(source) if "lxgit" in name)
        return
    allowed = MAY_IMPORT[room(source)] | {room(source), "__version__"}
    wrong = [
        f"line {line}: {name}"
        for line, name in imported(source)
        if name.startswith("lxgit.") and name.split(".")[1] not in allowed
    ]
    assert not wrong, f"{room(source)} may import {sorted(allowed)}"


@every_source
def test_libraries_stay_behind_their_door(source: Path) -> None:
    wrong = [
        f"line {line}: {name}"
        for line, name in imported(source)
        if room(source) not in CONFINED.get(name.split(".")[0], {room(source)})
    ]
    assert not wrong


@every_source
def test_only_the_cli_prints_reads_the_environment_or_exits(source: Path) -> None:
    if room(source) == "cli" or is_entry(source):
        return
    assert not list(cli_only_uses(source))


def cli_only_uses(source: Path) -> Iterator[str]:
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in CLI_ONLY:
                yield f"line {node.lineno}: {node.func.id}()"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in CLI_ONLY_ATTRIBUTES:
                yield f"line {node.lineno}: {node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (node.module, alias.name) in CLI_ONLY_ATTRIBUTES:
                    yield f"line {node.lineno}: {node.module}.{alias.name}"


@every_source
def test_nobody_asks_typing_whether_types_are_checked(source: Path) -> None:
    """To import it takes as long as a command: `TYPE_CHECKING = False` says the same."""
    assert not [
        node.lineno
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.ImportFrom)
        and node.module == "typing"
        and any(alias.name == "TYPE_CHECKING" for alias in node.names)
    ]


def test_the_table_knows_every_room() -> None:
    rooms = {room(source) for source in SOURCES if not is_entry(source)}
    assert rooms == MAY_IMPORT.keys()


def test_modules_are_of_readable_length() -> None:
    long = {
        str(source.relative_to(ROOT))
        for source in SOURCES
        if source.read_bytes().count(b"\n") > LONGEST_MODULE
    }
    assert not long


def test_functions_are_of_readable_length() -> None:
    long = {
        f"{source.relative_to(ROOT)}:{node.name}"
        for source in SOURCES
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    }
    assert not long


def test_no_cycles_between_the_rooms() -> None:
    """The table itself has none, so no import can make one."""
    done: set[str] = set()
    while ready := {name for name, uses in MAY_IMPORT.items() if uses <= done} - done:
        done |= ready
    assert done == MAY_IMPORT.keys()


def test_no_circles_of_modules() -> None:
    """Nor by imports in functions, which would only hide them."""
    modules = {module_name(source): source for source in SOURCES}
    uses = {
        name: {
            used
            for used in used_when_it_runs(parsed(source), modules.keys())
            if used != name and (name, used) not in LOADED_LATER
        }
        for name, source in modules.items()
    }
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


def module_name(source: Path) -> str:
    return ".".join(source.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def used_when_it_runs(node: ast.AST, modules: Collection[str]) -> Iterator[str]:
    """The modules that are imported, but for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom):
            assert child.module is not None
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                if whole in modules:
                    yield whole
                elif child.module in modules:
                    yield child.module
        elif isinstance(child, ast.Import):
            yield from {alias.name for alias in child.names}.intersection(modules)
        yield from used_when_it_runs(child, modules)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import lxgit.cli.main", ["lxgit.cli.main"]),
        ("from lxgit import cli, errors", ["lxgit.cli", "lxgit.errors"]),
        ("def f():\n    from lxgit.runtime import lxc", ["lxgit.runtime"]),
        ("if TYPE_CHECKING:\n    import pygit2", ["pygit2"]),
        ("importlib.import_module('typer')", ["typer"]),
        ("__import__('rich.table')", ["rich.table"]),
    ],
)
def test_the_walk_sees_every_kind_of_import(tmp_path: Path, code: str, found: list[str]) -> None:
    source = tmp_path / "module.py"
    source.write_text(code)
    assert [name for _, name in imported(source)] == found


@pytest.mark.parametrize(
    "code",
    ["print()", "os.environ['HOME']", "from os import environ", "sys.exit(1)", "exit()"],
)
def test_the_walk_sees_what_is_the_clis(tmp_path: Path, code: str) -> None:
    source = tmp_path / "module.py"
    source.write_text(code)
    assert list(cli_only_uses(source))
