"""What the environment says: where the store is, who commits, which editor and pager.

The only module that reads `os.environ`.
"""

from __future__ import annotations

import os

ROOT_STORE = "/var/lib/lxgit"

USER = os.geteuid()
"""Who has called; for an ordinary user's containers the process becomes root of a namespace."""


def variable(name: str) -> str | None:
    """The variable's value; None when it is not set or empty."""
    return os.environ.get(name) or None


def program_environment(**defaults: str) -> dict[str, str]:
    """The environment for a program of the user's, with `defaults` for what is not set."""
    return {**defaults, **os.environ}


def proxies() -> dict[str, str]:
    """The variables that say by which way the network is reached, as they are set."""
    names = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
    wanted = (*names, *map(str.upper, names))
    return {name: os.environ[name] for name in wanted if name in os.environ}


def for_registries() -> dict[str, str]:
    """What skopeo wants to know: proxies, credentials (containers-auth.json(5)), authorities."""
    names = (
        *("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"),
        *("CONTAINERS_REGISTRIES_CONF", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    )
    found = proxies() | {name: os.environ[name] for name in names if name in os.environ}
    if USER == 0:
        return found
    # In a namespace skopeo's user is 0; it would look for keys and signatures where root's are.
    found["_CONTAINERS_ROOTLESS_UID"] = str(USER)
    if not os.path.isdir(found.get("XDG_RUNTIME_DIR", "")):
        found.pop("XDG_RUNTIME_DIR", None)
        found.setdefault("REGISTRY_AUTH_FILE", _keys_at_home())
    return found


def _keys_at_home() -> str:
    """Where Podman and Docker have keys of a user without a runtime directory, the first first."""
    home = os.path.expanduser("~")
    docker = f"{home}/.docker/config.json"
    own = f"{variable('XDG_CONFIG_HOME') or f'{home}/.config'}/containers/auth.json"
    return docker if os.path.exists(docker) and not os.path.exists(own) else own


def default_store() -> str:
    """Where a store is that nobody named: root's, or the user's own below $XDG_DATA_HOME."""
    if USER == 0:
        return ROOT_STORE
    data = variable("XDG_DATA_HOME")
    # The XDG base directory specification: a relative path is invalid and ignored.
    if data and data.startswith("/"):
        return os.path.join(data, "lxgit")
    return os.path.join(os.path.expanduser("~"), ".local/share/lxgit")


def wants_colour(fd: int) -> bool:
    """Whether to write colours there: a terminal that knows them, and no NO_COLOR."""
    return os.isatty(fd) and variable("NO_COLOR") is None and variable("TERM") != "dumb"


def pager() -> str:
    """The shell command that shows long output; empty for none (git-config, core.pager)."""
    for name in ("GIT_PAGER", "PAGER"):
        if name in os.environ:  # set and empty means none
            command = os.environ[name].strip()
            return "" if command == "cat" else command
    return "less" if on_path("less") else ""


def on_path(program: str) -> bool:
    """Whether a program of that name is there to be run."""
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(os.path.join(place, program), os.X_OK) for place in directories)


def editor() -> str:
    """The shell command that edits a file (git-var, GIT_EDITOR), never one that a store names."""
    return (
        variable("GIT_EDITOR")
        or variable("VISUAL")
        or variable("EDITOR")
        or ("editor" if on_path("editor") else "vi")
    )
