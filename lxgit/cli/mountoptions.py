"""The words of -v, --mount and --tmpfs, in Docker's spelling."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from lxgit.cli.sizes import parse_memory
from lxgit.errors import UsageError
from lxgit.operations.volumes import Mount, StorageRequest, check_target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_MODE = 0o7777
_AS_IS = ("rw", "private", "rprivate", "z", "Z")  # z and Z: SELinux, which lxgit does not use
_TRUE, _FALSE = ("", "true", "1"), ("false", "0")

# What --mount calls each thing; several names are one.
_NAMES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
_KEYS = {
    "bind": ("source", "target", "readonly", "bind-recursive"),
    "volume": ("source", "target", "readonly", "volume-nocopy"),
    "tmpfs": ("target", "readonly", "tmpfs-size", "tmpfs-mode"),
}


def storage_request(
    volumes: Sequence[str],
    mounts: Sequence[str],
    tmpfs: Sequence[str],
    volumes_from: Sequence[str],
    *,
    read_only: bool,
) -> StorageRequest:
    """What the options ask for. UsageError, InvalidTarget."""
    bound = [_volume(text) for text in volumes]
    found = (*bound, *map(_mount, mounts), *map(_tmpfs, tmpfs))
    made = tuple(mount.source for mount in bound if mount.kind == "bind")
    return StorageRequest(found, made, tuple(volumes_from), read_only)


def _volume(text: str) -> Mount:
    """`-v [SOURCE:]TARGET[:OPTION,…]`: a source with a slash or a dot in front is a path."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise UsageError(f"'{text}' is no volume", hint="-v [SOURCE:]TARGET[:ro]")
    if len(parts) == 1:
        return Mount(kind="volume", target=check_target(text))
    source, target = parts[:2]
    options = set(parts[2].split(",")) if len(parts) == 3 else set()
    if unknown := options - {"ro", "nocopy", *_AS_IS}:
        raise UsageError(f"'{text}': '{min(unknown)}' is no option of -v", hint="ro, rw, nocopy")
    values: dict[str, Any] = {"target": check_target(target), "read_only": "ro" in options}
    if source.startswith(("/", ".")):
        return Mount(kind="bind", source=os.path.abspath(source), **values)
    return Mount(kind="volume", source=source, fill="nocopy" not in options, **values)


def _mount(text: str) -> Mount:
    """`--mount type=KIND,KEY=VALUE,…`."""
    values = _pairs(text)
    kind = values.pop("type", "volume")
    if kind not in _KEYS:
        raise UsageError(f"'{kind}' is no type of mount", hint="one of " + ", ".join(_KEYS))
    for key in values:
        if key not in _KEYS[kind]:
            known = ", ".join(_KEYS[kind])
            raise UsageError(f"--mount: a {kind} has no '{key}'", hint=f"it has {known}")
    if "target" not in values:
        raise UsageError(f"--mount '{text}' has no target", hint="--mount …,target=/data")
    common: dict[str, Any] = {
        "kind": kind,
        "target": check_target(values["target"]),
        "read_only": _flag("readonly", values),
    }
    return Mount(**common, **_OF_KIND[kind](values))


def _pairs(text: str) -> dict[str, str]:
    """The keys and values, which are one line of CSV: a value with a comma is quoted."""
    import csv

    values = {}
    for field in next(csv.reader([text])):
        key, _, value = field.partition("=")
        key = _NAMES.get(key.lower(), key.lower())
        if key in values:
            raise UsageError(f"--mount '{text}' says '{key}' twice")
        values[key] = value
    return values


def _bind_values(values: Mapping[str, str]) -> dict[str, Any]:
    source = values.get("source", "")
    if not source:
        raise UsageError("--mount type=bind has no source", hint="--mount type=bind,source=/srv,…")
    recursive = values.get("bind-recursive", "enabled")
    if recursive not in ("enabled", "disabled"):
        raise UsageError(f"bind-recursive is not '{recursive}'", hint="enabled or disabled")
    return {"source": os.path.abspath(source), "recursive": recursive == "enabled"}


def _volume_values(values: Mapping[str, str]) -> dict[str, Any]:
    return {"source": values.get("source", ""), "fill": not _flag("volume-nocopy", values)}


def _tmpfs_values(values: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "tmpfs-size" in values:
        found["size"] = parse_memory("tmpfs-size", values["tmpfs-size"])
    if "tmpfs-mode" in values:
        found["mode"] = _mode("tmpfs-mode", values["tmpfs-mode"])
    return found


_OF_KIND = {"bind": _bind_values, "volume": _volume_values, "tmpfs": _tmpfs_values}


def _flag(key: str, values: Mapping[str, str]) -> bool:
    value = values.get(key, "false").lower()
    if value not in (*_TRUE, *_FALSE):
        raise UsageError(f"'{key}' is not '{value}'", hint="true or false")
    return value in _TRUE


def _tmpfs(text: str) -> Mount:
    """`--tmpfs TARGET[:OPTION,…]`, the options those of mount(8)."""
    target, _, options = text.partition(":")
    values: dict[str, Any] = {}
    owner = [0, 0]
    for word in filter(None, options.split(",")):
        key, _, value = word.partition("=")
        if word in _TMPFS_FLAGS:
            values.update(_TMPFS_FLAGS[word])
        elif key == "size":
            values["size"] = parse_memory("size", value)
        elif key == "mode":
            values["mode"] = _mode("mode", value)
        elif key in ("uid", "gid") and value.isdecimal() and value.isascii():
            owner[key == "gid"] = int(value)
        else:
            known = "size=64m, mode=755, uid=1, gid=1, exec, suid, ro"
            raise UsageError(f"--tmpfs has no option '{word}'", hint=known)
    target = check_target(target)
    return Mount(kind="tmpfs", target=target, owner=(owner[0], owner[1]), **values)


_TMPFS_FLAGS: dict[str, dict[str, bool]] = {
    "ro": {"read_only": True},
    "rw": {"read_only": False},
    "exec": {"executable": True},
    "noexec": {"executable": False},
    "suid": {"setuid": True},
    "nosuid": {"setuid": False},
    "nodev": {},
}


def _mode(option: str, text: str) -> int:
    if not re.fullmatch("[0-7]{1,5}", text) or int(text, 8) > _MAX_MODE:
        raise UsageError(f"'{option}' takes a mode, and '{text}' is none", hint="such as 1777")
    return int(text, 8)
