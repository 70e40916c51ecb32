"""What `commit -run` took in 2013: a JSON object with the keys of a container's config.

Source: docker 0.4, container.go, `Config`. Those that an image has a place for are taken, with the
keys of today's config that have no other name there.
"""

from __future__ import annotations

import json

from lxgit.objects.dockerlines import BadInstruction
from lxgit.objects.imageconfig import InvalidConfig, config_from_values, config_values
from lxgit.objects.instructions import checked, ports_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from lxgit.objects.imageconfig import ImageConfig

_TAKEN = (
    *("User", "Env", "Cmd", "Entrypoint", "WorkingDir", "Volumes", "PortSpecs"),
    *("ExposedPorts", "Labels", "StopSignal"),
)
_OF_A_CONTAINER = (
    *("Hostname", "Domainname", "Memory", "MemorySwap", "CpuShares", "Dns", "Image"),
    *("AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce"),
    *("VolumesFrom", "NetworkDisabled", "Privileged"),
)


def apply_json(config: ImageConfig, text: str) -> tuple[ImageConfig, list[str]]:
    """The config with what the object says in the place of what it has; null and "" take it away.

    The second are keys of a container alone that say something, such as `Memory`: an image keeps
    none of them. BadInstruction for anything that is not understood.
    """
    given = _read(text)
    values = {key: given[key] for key in given if key in _TAKEN}
    if "PortSpecs" in values:
        values["ExposedPorts"] = {port: {} for port in _ports_of(values.pop("PortSpecs") or [])}
    kept = {key: value for key, value in config_values(config).items() if key not in values}
    said = {key: value for key, value in values.items() if value not in (None, "", [], {})}
    try:
        made = config_from_values(kept | said)
    except InvalidConfig as error:
        raise BadInstruction(error.message.removeprefix("config.json: ")) from None
    return checked(made), [key for key in _OF_A_CONTAINER if given.get(key)]


def _read(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInstruction(f"this is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise BadInstruction("this is no JSON object", hint="""'{"Cmd": ["/bin/sh"]}'""")
    if unknown := given.keys() - {*_TAKEN, *_OF_A_CONTAINER}:
        raise BadInstruction(f"there is no key {min(unknown)!a}", hint="one of " + " ".join(_TAKEN))
    return given


def _ports_of(specs: object) -> Iterator[str]:
    """`PORT` or `HOST:PORT`: the container's port is the image's matter."""
    if not isinstance(specs, list) or not all(isinstance(spec, str) for spec in specs):
        raise BadInstruction("PortSpecs is not a list of strings")
    for spec in specs:
        yield from ports_of(spec.rpartition(":")[2])
