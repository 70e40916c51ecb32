"""Other entries for a container in the index: another name (format.md, "Containers")."""

from __future__ import annotations

from lxgit.records import replace
from lxgit.runtime.containers import (
    Container,
    ContainerNameTaken,
    check_name,
    edited,
    give_name,
    has_name,
    registered,
)
from lxgit.runtime.index import container_names


def rename(container: Container, name: str) -> Container:
    """Give a container another name. ContainerNameTaken, InvalidContainerName.

    What has failed half way leaves it both, and is done again.
    """
    check_name(name)
    registry = container.path.parent
    with edited(container) as now, registered(registry):
        names = container_names(registry)
        own = {each for each, identity in names.items() if identity == now.id}
        others = names.keys() if own == {now.config.name} else names.keys() - own
        if name in others and has_name(registry, names[name], name):
            raise ContainerNameTaken(
                f"a container is named '{name}' already", hint="choose another"
            )
        give_name(registry / ".names" / name, now.id)
        # With two names for a moment: a crash here leaves one that finds it too many, not none.
        renamed = now.configured(replace(now.config, name=name))
        for other in own - {name}:
            (registry / ".names" / other).unlink(missing_ok=True)
    return renamed
