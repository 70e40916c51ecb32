"""The commits of a build that no container makes: of instructions for the config, and of COPY.

What is written is durable before the ref of the cache names it, so a build that is killed leaves
whole steps, and the next one goes on after the last.
"""

from __future__ import annotations

from lxgit.objects.commits import ITSELF, Commit, encode_commit
from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectType
from lxgit.objects.image import write_image
from lxgit.objects.imageconfig import ImageConfig
from lxgit.objects.links import Links
from lxgit.objects.messages import add_trailers, clean_message, subject
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.refnames import CACHE
from lxgit.objects.refs import ANY
from lxgit.objects.scratch import ScratchObjects
from lxgit.objects.treebuilder import TreeBuilder
from lxgit.operations.lookup import image_of
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.values import Identity
    from lxgit.repository import Repository

    WriteFiles = Callable[[Image, PackWriter], tuple[ObjectID, Links]]
    """Writes what a step makes of an image's file system: its tree, and its links."""

NO_PROGRAM = "#(nop)"
"""What Docker puts before an instruction that it has a shell not run."""


class NewCommit(NamedTuple):
    """A commit to be made, and the ref of the cache that is to name it.

    `command` is what its trailer `Command:` says.
    """

    parent: ObjectID
    config: ImageConfig
    message: str
    command: tuple[str, ...]
    ref: str


def record(
    repository: Repository, new: NewCommit, identity: Identity, files: WriteFiles | None = None
) -> ObjectID:
    """Make the commit; without `files` its file system is its parent's."""
    parent = image_of(repository, new.parent)
    with repository.writing(), repository.objects.writer() as writer:
        rootfs, links = files(parent, writer) if files else (parent.rootfs, parent.links)
        tree = write_image(writer, rootfs, links, new.config)
        message = told(new.message, new.command)
        commit = Commit(tree, (new.parent,), identity.author, identity.committer, message)
        oid = writer.add(ObjectType.COMMIT, encode_commit(commit))
        with writer.finish():
            keep(repository, new.ref, oid, new.message, identity)
    return oid


def keep(repository: Repository, ref: str, oid: ObjectID, message: str, identity: Identity) -> None:
    """Have the cache find a commit."""
    why = f"build: {subject(message)}"
    repository.refs.update(ref, oid, old=ANY, message=why, who=identity.committer)


def told(message: str, command: tuple[str, ...]) -> str:
    """The message of a commit, with the command in the notation of a shell."""
    from lxgit.objects.shellwords import shell_line

    return add_trailers(clean_message(message), [("Command", shell_line(command))])


def empty_image(repository: Repository, architecture: str, identity: Identity) -> ObjectID:
    """The commit that `FROM scratch` begins with: nothing in it, and the same in each store."""
    with repository.writing(), repository.objects.writer() as writer:
        objects = ScratchObjects(repository.objects, writer)
        builder = TreeBuilder(objects, objects)
        builder.put(b"", Entry(Kind.DIRECTORY, Metadata(0o755, 0, 0, 0)))
        config = ImageConfig(architecture=architecture)
        tree = write_image(objects, builder.write(), Links(()), config)
        commit = Commit(tree, (), ITSELF, ITSELF, "FROM scratch\n")
        oid = writer.add(ObjectType.COMMIT, encode_commit(commit))
        with writer.finish():
            keep(repository, f"{CACHE}scratch", oid, "FROM scratch", identity)
    return oid
