"""The words of -v, --mount and --tmpfs, in Docker's spelling."""

from __future__ import annotations

import os
import re

from lxgit.errors import UsageError
from lxgit.operations.volumes import PROPAGATIONS, Mount, StorageRequest, check_target
from lxgit.spelling import parse_memory, parse_pairs, parse_switch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_MAX_MODE = 0o7777
_ID, _IDS = re.compile("[0-9]{1,10}"), range((1 << 32) - 1)  # the last one is nobody's
_LABELS = ("z", "Z")  # SELinux's: containers have no type of their own, so none is needed
_ACCESS = ("ro", "rw")

# What --mount calls each thing; several names are one.
_NAMES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
_KEYS = {
    "bind": ("source", "target", "readonly", "bind-propagation", "bind-recursive"),
    "volume": ("source", "target", "readonly", "volume-nocopy", "volume-subpath"),
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
    options = parts[2].split(",") if len(parts) == 3 else []
    is_bind = source.startswith(("/", "."))
    own = tuple(PROPAGATIONS) if is_bind else ("nocopy",)
    if unknown := set(options) - {*_ACCESS, *_LABELS, *own}:
        what = "a path of the host" if is_bind else "a volume"
        hint = "ro, rw, rslave" if is_bind else "ro, rw, nocopy"
        raise UsageError(f"'{text}': '{min(unknown)}' is no option of {what}", hint=hint)
    values: dict[str, Any] = {
        "target": check_target(target),
        "read_only": _one_of(_ACCESS, options, text) == "ro",
    }
    if is_bind:
        spread = _propagation(_one_of(tuple(PROPAGATIONS), options, text) or "rprivate")
        return Mount(kind="bind", source=os.path.abspath(source), propagation=spread, **values)
    return Mount(kind="volume", source=source, fill="nocopy" not in options, **values)


def _one_of(words: Sequence[str], options: Sequence[str], text: str) -> str:
    """Which of the words was said; "" if none was. UsageError for two."""
    said = [word for word in words if word in options]
    if len(said) > 1:
        raise UsageError(f"'{text}' says both '{said[0]}' and '{said[1]}'", hint="leave one out")
    return said[0] if said else ""


def _propagation(word: str) -> str:
    """UsageError for what is none, and for what would carry mounts to the host."""
    if word not in PROPAGATIONS:
        raise UsageError(f"'{word}' is no propagation", hint="rprivate, slave or rslave")
    if (known := PROPAGATIONS[word]) is None:
        raise UsageError(
            f"'{word}': what a container mounts does not come to the host",
            hint="rslave shows the host's later mounts to the container",
        )
    return known


def _mount(text: str) -> Mount:
    """`--mount type=KIND,KEY=VALUE,…`."""
    values = dict(parse_pairs("--mount", text, _NAMES))
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


def _bind_values(values: Mapping[str, str]) -> dict[str, Any]:
    source = values.get("source", "")
    if not source:
        raise UsageError("--mount type=bind has no source", hint="--mount type=bind,source=/srv,…")
    recursive = values.get("bind-recursive", "enabled")
    if recursive not in ("enabled", "disabled"):
        raise UsageError(f"bind-recursive is not '{recursive}'", hint="enabled or disabled")
    return {
        "source": os.path.abspath(source),
        "recursive": recursive == "enabled",
        "propagation": _propagation(values.get("bind-propagation", "rprivate")),
    }


def _volume_values(values: Mapping[str, str]) -> dict[str, Any]:
    subpath = values.get("volume-subpath")
    if subpath is not None and (subpath[:1] in ("", "/") or ".." in subpath.split("/")):
        raise UsageError(f"'{subpath}' is no path in a volume", hint="volume-subpath=logs/web")
    fill = not _flag("volume-nocopy", values) and not subpath
    return {"source": values.get("source", ""), "fill": fill, "subpath": subpath or ""}


def _tmpfs_values(values: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "tmpfs-size" in values:
        found["size"] = parse_memory("--mount tmpfs-size", values["tmpfs-size"])
    if "tmpfs-mode" in values:
        found["mode"] = _mode("--mount tmpfs-mode", values["tmpfs-mode"])
    return found


_OF_KIND = {"bind": _bind_values, "volume": _volume_values, "tmpfs": _tmpfs_values}


def _flag(key: str, values: Mapping[str, str]) -> bool:
    return parse_switch(key, values.get(key, "false"))


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
            values["size"] = parse_memory("--tmpfs size", value)
        elif key == "mode":
            values["mode"] = _mode("--tmpfs mode", value)
        elif key in ("uid", "gid") and _ID.fullmatch(value) and int(value) in _IDS:
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
        raise UsageError(f"{option} takes a mode, and '{text}' is none", hint="such as 1777")
    return int(text, 8)
