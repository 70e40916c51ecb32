"""`inspect`: everything about an image or a container, with Docker's keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lxgit.objects.ids import ObjectID, hex_id
from lxgit.objects.imageconfig import config_values
from lxgit.objects.messages import trailers
from lxgit.objects.refnames import BRANCHES, TAGS
from lxgit.operations.hostconfig import host_config
from lxgit.operations.lookup import classify, image_of, read_commit
from lxgit.operations.tags import list_tags
from lxgit.runtime.config import RUNNING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.objects.commits import Signature
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

_NEVER = "0001-01-01T00:00:00Z"  # as Docker writes it


def inspect(repository: Repository, names: Sequence[str]) -> list[dict[str, Any]]:
    """An object a name: revisions and containers, in the order of commands.md's look-up."""
    return [_inspect(repository, name) for name in names]


def _inspect(repository: Repository, name: str) -> dict[str, Any]:
    found = classify(repository, name)
    return _image(repository, found) if isinstance(found, bytes) else _container(found)


def _image(repository: Repository, oid: ObjectID) -> dict[str, Any]:
    commit = read_commit(repository, oid)
    image = image_of(repository, oid)
    values = config_values(image.config)
    told = dict(trailers(commit.message))
    subject = next(iter(commit.message.splitlines()), "")
    return {
        "Id": hex_id(oid),
        "RepoTags": _names(repository, oid),
        "Parent": hex_id(commit.parents[0]) if commit.parents else "",
        "Parents": [hex_id(parent) for parent in commit.parents],
        "Comment": subject,
        "Created": _commit_time(commit.committer),
        "Container": told.get("Container", ""),
        "ContainerConfig": {"Cmd": _words(told.get("Command"))},
        "Author": f"{commit.author.name} <{commit.author.email}>",
        "Architecture": values.pop("architecture", ""),
        "Os": values.pop("os", ""),
        "Config": values,
        "RootFS": {"Type": "git", "Tree": hex_id(image.rootfs), "Links": hex_id(image.links_id)},
    }


def _names(repository: Repository, oid: ObjectID) -> list[str]:
    branches = repository.refs.list(BRANCHES)
    names = [f"{ref.removeprefix(BRANCHES)}:latest" for ref, tip in branches.items() if tip == oid]
    for tag in list_tags(repository):
        if tag.oid == hex_id(oid):
            image, slash, name = tag.name.rpartition("/")
            names.append(f"{image}:{name}" if slash else TAGS + name)
    return names


def _words(command: str | None) -> list[str] | None:
    """The words of a `Command:` trailer, which is quoted for a shell."""
    import shlex

    try:
        return None if command is None else shlex.split(command)
    except ValueError:  # another program's commit
        return [command or ""]


def _container(container: Container) -> dict[str, Any]:
    config, state = container.config, container.state
    settings = {
        "Hostname": config.hostname,
        "User": config.user,
        "Tty": config.tty,
        "OpenStdin": config.stdin_open,
        "Env": list(config.environment),
        "Cmd": list(config.command),
        "WorkingDir": config.working_dir,
        "Image": config.image,
        "Labels": dict(label.split("=", 1) for label in config.labels),
        "StopSignal": config.stop_signal or "SIGTERM",
        "StopTimeout": 10 if config.stop_timeout is None else config.stop_timeout,
    }
    return {
        "Id": container.id,
        "Name": config.name,
        "Created": _time(config.created),
        "Path": config.command[0],
        "Args": list(config.command[1:]),
        "State": {
            "Status": state.status,
            "Running": state.status == RUNNING,
            "OOMKilled": state.oom_killed,
            "PidsLimitReached": state.pids_refused,
            "Pid": state.pid or 0,
            "ExitCode": state.exit_code if state.exit_code is not None else 0,
            "Error": state.error or "",
            "StartedAt": _time(state.started),
            "FinishedAt": _time(state.finished),
        },
        "Image": config.commit,
        "Parent": config.commit,
        "Branch": config.branch or "",
        "Config": settings,
        "ContainerConfig": settings,
        "HostConfig": host_config(config),
        "GraphDriver": {
            "Name": "overlay",
            "Data": {"Layers": list(config.stack), "UpperDir": str(container.upper)},
        },
        "LogPath": str(container.path / "log"),
    }


def _time(nanoseconds: int | None) -> str:
    """RFC 3339 with nine digits, as Docker has it."""
    if nanoseconds is None:
        return _NEVER
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:09d}Z"


def _commit_time(who: Signature) -> str:
    sign = "-" if who.offset < 0 else "+"
    hours, minutes = divmod(abs(who.offset), 60)
    local = time.gmtime(who.time + who.offset * 60)
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + f"{sign}{hours:02d}:{minutes:02d}"
