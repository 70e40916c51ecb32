"""Commands of the family `system`: df."""

from __future__ import annotations

from lxgit.cli.formats import write_listing
from lxgit.cli.human import ago, size
from lxgit.cli.options import format_option
from lxgit.cli.params import Annotated, command, option
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id, write_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.diskusage import DiskUsage, ImageShare, Share

_HEAD = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}


@command(
    examples=(
        ("lxgit system df", ""),
        ("lxgit system df -v", "each image, container and volume too"),
        ("lxgit system df --format '{{.Type}} {{.Size}}'", ""),
        ("lxgit system df --format json", "for programs"),
    )
)
def df(
    session: Session,
    verbose: Annotated[
        bool, option("-v", "--verbose", help="each image, container and volume too")
    ] = False,
    format_: Annotated[str, format_option("Type")] = "table",
) -> None:
    """Show what the store takes of the disk, and what would come back.

    By 'gc' from images, by 'prune' from layers, by 'container prune' and 'volume prune' from these,
    by 'builder prune' and then 'gc' from the build cache, which is a part of the images.
    """
    from lxgit.operations.diskusage import disk_shares

    repository = session.repository()
    with session.progress() as progress:
        found = disk_shares(repository, progress)
    write_listing(
        session.out,
        format_,
        map(_fields, found.shares),
        head=_HEAD,
        columns=tuple(_HEAD),
        fields=(share._asdict() for share in found.shares),
    )
    if verbose and format_ == "table":
        from lxgit.operations.diskusage import image_shares

        _write_images(session, image_shares(repository))
        _write_details(session, found)


def _fields(share: Share) -> dict[str, str]:
    part = f" ({100 * share.reclaimable // share.size}%)" if share.size else ""
    return {
        "Type": share.type,
        "TotalCount": str(share.total),
        "Active": str(share.active),
        "Size": size(share.size),
        "Reclaimable": size(share.reclaimable) + part,
    }


def _write_images(session: Session, shares: list[ImageShare]) -> None:
    from lxgit.cli.imagesview import HEAD, template_fields

    session.out.line("\nImages:\n")
    names = ("Repository", "Tag", "ID", "CreatedSince", "Size")
    told = [(template_fields(one.image, no_trunc=False), str(one.containers)) for one in shares]
    cells = [(*(fields[name] for name in names), count) for fields, count in told]
    write_table(session.out, (*(HEAD[name] for name in names), "CONTAINERS"), cells)


def _write_details(session: Session, found: DiskUsage) -> None:
    from lxgit.cli.psview import state

    session.out.line("\nContainers:\n")
    cells = [
        (short_id(row.id), row.image, size(taken), ago(row.created), state(row), row.name)
        for row, taken in found.containers
    ]
    write_table(session.out, ("ID", "IMAGE", "SIZE", "CREATED", "STATUS", "NAMES"), cells)
    session.out.line("\nLocal volumes:\n")
    volumes = [(volume.name, str(volume.links), size(volume.size)) for volume in found.volumes]
    write_table(session.out, ("NAME", "LINKS", "SIZE"), volumes)
