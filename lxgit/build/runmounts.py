"""`RUN --mount=…`: what a command is shown while it runs, and no commit has.

    type=bind     files of the build context, or of `from`; what is written to them is thrown away
    type=cache    a directory that outlives the build, found again by its `id`; what is in it at
                  first is nothing, or what `from` has
    type=tmpfs    memory
    type=secret   a file, or with `env` a variable, that `--secret` gives

Source: Dockerfile reference, "RUN --mount".
"""

from __future__ import annotations

import posixpath

from lxgit.objects.dockerlines import BadInstruction
from lxgit.spelling import parse_memory, parse_pairs, parse_switch
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BIND, CACHE, TMPFS, SECRET = "bind", "cache", "tmpfs", "secret"
SHARED, PRIVATE, LOCKED = "shared", "private", "locked"

SCRIPT = "/run/script"
"""Where a here-document stands that is a program. BuildKit has it in /dev, where no mount goes."""

_SECRETS = "/run/secrets"
_SAME = {
    "dst": "target",
    "destination": "target",
    "src": "source",
    "ro": "readonly",
    "rw": "readwrite",
}
_COMMON = {"type", "target"}
_OWNED = {"mode", "uid", "gid"}
_KEYS = {
    BIND: _COMMON | {"source", "from", "readonly", "readwrite"},
    CACHE: _COMMON | _OWNED | {"id", "sharing", "from", "source", "readonly", "readwrite"},
    TMPFS: _COMMON | {"size"},
    SECRET: _COMMON | _OWNED | {"id", "required", "env"},
}
_SHARING = (SHARED, PRIVATE, LOCKED)


class RunMount(NamedTuple):
    """One mount; `target` is absolute, or "" for a secret that is a variable alone.

    `origin` is the stage or image of a bind, "" for the build context, or of what a cache has at
    first, "" for nothing. `size` is in bytes.
    A cache that is LOCKED has one command at a time; where one that is PRIVATE has one already, the
    next command gets another.
    """

    kind: str
    target: str
    source: str = ""
    origin: str = ""
    id: str = ""
    read_only: bool = False
    required: bool = False
    sharing: str = "shared"
    variable: str = ""
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)
    size: int | None = None


def run_mount(text: str, workdir: str) -> RunMount:
    """What `--mount=TEXT` asks for. BadInstruction, UsageError."""
    values = _values(text)
    kind = values.get("type", BIND)
    if kind == "ssh":
        raise BadInstruction("--mount=type=ssh is not there", hint="a key can be a secret")
    if kind not in _KEYS:
        raise BadInstruction(f"--mount: there is no type '{kind}'", hint=" ".join(_KEYS))
    if unknown := sorted(values.keys() - _KEYS[kind]):
        raise BadInstruction(
            f"--mount=type={kind} takes no '{unknown[0]}'", hint=" ".join(sorted(_KEYS[kind]))
        )
    made = _MAKERS[kind](values)
    if made.target:
        made = made._replace(target=posixpath.normpath(posixpath.join(workdir, made.target)))
    elif not made.variable:
        raise BadInstruction(f"--mount={text}: it has no target", hint="target=/PATH")
    return made


def origin_of(text: str) -> str:
    """What `from` says in it, as written; "" for nothing. UsageError."""
    return _values(text).get("from", "")


def _values(text: str) -> dict[str, str]:
    return dict(parse_pairs("--mount", text, _SAME))


def _bind(values: Mapping[str, str]) -> RunMount:
    read_only = not _switch(values, "readwrite")
    if "readonly" in values:
        read_only = _switch(values, "readonly")
    return RunMount(
        BIND,
        values.get("target", ""),
        source=values.get("source", "."),
        origin=values.get("from", ""),
        read_only=read_only,
    )


def _cache(values: Mapping[str, str]) -> RunMount:
    if values.get("sharing", SHARED) not in _SHARING:
        raise BadInstruction(f"sharing={values['sharing']} means nothing", hint=" ".join(_SHARING))
    target = values.get("target", "")
    return RunMount(
        CACHE,
        target,
        source=values.get("source", "/"),
        origin=values.get("from", ""),
        id=values.get("id", "") or target,
        read_only=_switch(values, "readonly"),
        sharing=values.get("sharing", SHARED),
        mode=_octal(values, 0o755),
        owner=_owner(values),
    )


def _tmpfs(values: Mapping[str, str]) -> RunMount:
    size = parse_memory("--mount size", values["size"]) if "size" in values else None
    return RunMount(TMPFS, values.get("target", ""), size=size)


def _secret(values: Mapping[str, str]) -> RunMount:
    target, variable = values.get("target", ""), values.get("env", "")
    name = values.get("id", "") or posixpath.basename(target)
    if not name:
        raise BadInstruction("a secret has no id", hint="--mount=type=secret,id=NAME")
    if not target and not variable:
        target = posixpath.join(_SECRETS, name)
    return RunMount(
        SECRET,
        target,
        id=name,
        required=_switch(values, "required"),
        variable=variable,
        mode=_octal(values, 0o400),
        owner=_owner(values),
    )


_MAKERS: dict[str, Callable[[Mapping[str, str]], RunMount]] = {
    BIND: _bind,
    CACHE: _cache,
    TMPFS: _tmpfs,
    SECRET: _secret,
}


def _switch(values: Mapping[str, str], name: str) -> bool:
    return parse_switch(name, values.get(name, "false"))


def _octal(values: Mapping[str, str], default: int) -> int:
    text = values.get("mode", f"{default:o}")
    if not text.isascii() or not 0 < len(text) <= 5 or text.strip("01234567"):
        raise BadInstruction(f"mode={text} is no mode", hint="mode=0755")
    return int(text, 8)


def _owner(values: Mapping[str, str]) -> tuple[int, int]:
    return _number(values, "uid"), _number(values, "gid")


def _number(values: Mapping[str, str], name: str) -> int:
    text = values.get(name, "0")
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise BadInstruction(f"{name}={text} is no id", hint=f"{name}=1000")
    return int(text)
