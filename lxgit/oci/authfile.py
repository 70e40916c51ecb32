"""Credentials that skopeo, Podman and Docker keep in files, for what skopeo cannot ask.

What is in a credential helper is not found here. Source: containers-auth.json(5).
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST = 1 << 20  # bytes


def basic_credentials(host: str, environment: Mapping[str, str]) -> str | None:
    """`NAME:PASSWORD` in Base64 for a registry, as HTTP takes it; None where there is none."""
    for path in _places(environment):
        try:
            with open(path, "rb") as file:
                kept = json.loads(file.read(_MOST))
            found = kept["auths"][host]["auth"]
        except (OSError, ValueError, RecursionError, LookupError, TypeError):
            continue
        if isinstance(found, str) and found.isascii() and found.isprintable():
            return found
    return None


def _places(environment: Mapping[str, str]) -> Iterator[str]:
    """The files, in the order in which skopeo looks into them."""
    if named := environment.get("REGISTRY_AUTH_FILE"):
        yield named
        return
    home = environment.get("HOME", "/")
    runtime = environment.get("XDG_RUNTIME_DIR")
    runtime = f"{runtime}/containers" if runtime else f"/run/containers/{os.getuid()}"
    yield f"{runtime}/auth.json"
    yield f"{environment.get('XDG_CONFIG_HOME') or f'{home}/.config'}/containers/auth.json"
    yield f"{environment.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json"
