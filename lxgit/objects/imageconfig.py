"""`config.json`: what an image says of how it wants to run.

The values are those of the `config` object of the OCI image configuration (image-spec, config.md)
plus its `architecture`, `variant` and `os`. The file is canonical JSON (format.md, "config.json").
Keys that lxgit does not use are kept.
"""

from __future__ import annotations

import json

from lxgit.errors import LxgitError
from lxgit.records import dataclass, field, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH in a container whose image says none."""

_MAX_SIZE = 1 << 20


class InvalidConfig(LxgitError):
    """A `config.json` that is not canonical, or whose values have the wrong types."""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The image's wishes; every field may be empty."""

    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    stop_signal: str = ""
    architecture: str = ""
    os: str = "linux"
    extra: dict[str, Any] = field(default_factory=dict)


_ARCHITECTURES = {
    "aarch64": "arm64",
    "armel": "arm",
    "armhf": "arm",
    "armv7l": "arm",
    "i386": "386",
    "i686": "386",
    "ppc64el": "ppc64le",
    "x86_64": "amd64",
}
"""OCI image-spec, config.md: `architecture` is one of Go's names."""

_STRINGS = {"WorkingDir": "working_dir", "User": "user", "StopSignal": "stop_signal"}
_STRINGS |= {"architecture": "architecture", "os": "os"}
_LISTS = {"Env": "env", "Cmd": "cmd", "Entrypoint": "entrypoint"}
_SETS = {"ExposedPorts": "exposed_ports", "Volumes": "volumes"}
_KEPT_LISTS = ("Shell", "OnBuild")
_MOST_NESTED = 32  # objects and lists in each other: each indents what is in it a little more
_LONGEST_SIGNAL = 16  # letters: SIGRTMIN+15
_CHECKS = {  # members of Healthcheck, and below what their numbers are
    "Interval": 1 << 63,
    "Timeout": 1 << 63,
    "StartPeriod": 1 << 63,
    "StartInterval": 1 << 63,
    "Retries": 1 << 31,
}


def architecture_name(machine: str) -> str:
    """The name that images have for what uname(2) or dpkg calls a machine; others stay."""
    return _ARCHITECTURES.get(machine, machine)


def config_values(config: ImageConfig) -> dict[str, Any]:
    """The JSON object, OCI's keys, without empty values."""
    values: dict[str, Any] = dict(config.extra)
    for key, name in _STRINGS.items():
        values[key] = getattr(config, name)
    for key, name in _LISTS.items():
        values[key] = list(getattr(config, name))
    for key, name in _SETS.items():
        values[key] = {item: {} for item in getattr(config, name)}
    values["Labels"] = dict(config.labels)
    return {key: value for key, value in values.items() if value not in ("", [], {}, None)}


def encode_config(config: ImageConfig) -> bytes:
    """The content of the `config.json` blob."""
    text = json.dumps(config_values(config), sort_keys=True, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape") + b"\n"


def _strings(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidConfig(f"config.json: {key} is not a list of strings")
    return tuple(value)


def _keys(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, dict) or any(item != {} for item in value.values()):
        raise InvalidConfig(f"config.json: {key} is not an object of empty objects")
    return tuple(sorted(value))


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidConfig("config.json: Labels is not an object of strings")
    return tuple(sorted(value.items()))


def _check_health(value: object) -> None:
    """Refuse what `HEALTHCHECK` never says; a member that is null is as one that is missing."""
    if not isinstance(value, dict):
        raise InvalidConfig("config.json: Healthcheck is not an object")
    _strings("Test of Healthcheck", value.get("Test") or [])
    for key, end in _CHECKS.items():
        number = value.get(key) or 0
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < end:
            raise InvalidConfig(f"config.json: {key} of Healthcheck is no possible number")


def _check_extra(key: str, value: object) -> None:
    """Refuse members that others read, and that are something else than those make of them."""
    if key in _KEPT_LISTS:
        _strings(key, value)
    elif key == "Healthcheck":
        _check_health(value)
    level = [value]
    for _ in range(_MOST_NESTED):
        level = [below for one in level for below in _members(one)]
    if level:
        raise InvalidConfig("config.json is nested too deeply")


def _members(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def config_from_values(values: object) -> ImageConfig:
    """An ImageConfig from parsed JSON; InvalidConfig where a type is wrong."""
    if not isinstance(values, dict):
        raise InvalidConfig("config.json is not an object")
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in values.items():
        if key in _STRINGS:
            if not isinstance(value, str):
                raise InvalidConfig(f"config.json: {key} is not a string")
            if key == "StopSignal" and len(value) > _LONGEST_SIGNAL:
                raise InvalidConfig("config.json: StopSignal is no signal")
            known[_STRINGS[key]] = value
        elif key in _LISTS:
            known[_LISTS[key]] = _strings(key, value)
        elif key in _SETS:
            known[_SETS[key]] = _keys(key, value)
        elif key == "Labels":
            known["labels"] = _labels(value)
        else:
            _check_extra(key, value)
            extra[key] = value
    known.setdefault("os", "")
    return replace(ImageConfig(extra=extra), **known)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no value of JSON")


def decode_config(data: bytes) -> ImageConfig:
    """The inverse of `encode_config`; InvalidConfig for any other spelling, and for a NUL."""
    if len(data) > _MAX_SIZE:
        raise InvalidConfig("config.json is larger than 1 MiB")
    try:
        values = json.loads(data.decode("utf-8", "surrogateescape"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidConfig(f"config.json is not JSON: {error}") from None
    config = config_from_values(values)
    try:
        canonical = encode_config(config) == data
    except UnicodeEncodeError:  # an escaped half of a surrogate pair
        canonical = False
    if not canonical:
        raise InvalidConfig("config.json is not canonical")
    if b"\\u0000" in data.replace(b"\\\\", b""):
        raise InvalidConfig("config.json has a NUL, which no program can be given")
    return config
