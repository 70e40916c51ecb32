"""The tree of an import becomes a commit, and a base layer where this user can make one.

Loaded when the first contents are being hashed: the process that does that takes as long to begin.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from lxgit.objects.commits import Commit, decode_commit, encode_commit
from lxgit.objects.ids import ObjectType, hex_id
from lxgit.objects.image import Image, read_image, write_image
from lxgit.objects.imageconfig import ImageConfig, architecture_name
from lxgit.objects.ingest import write_tree
from lxgit.objects.messages import clean_message
from lxgit.operations.arriving import adopt_as_head
from lxgit.operations.naming import branch_ref, left_without_a_name, set_ref
from lxgit.operations.values import Imported
from lxgit.runtime.layers import LayerStore
from lxgit.runtime.treelayer import LayerFailed, TreeLayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.filetree import FileTree
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.intake import Intake
    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.importing import Target
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository


def commit_tree(
    repository: Repository,
    writer: PackWriter,
    intake: Intake,
    tree: FileTree,
    target: Target,
    identity: Identity,
    progress: Progress,
) -> Imported:
    """Write a tree as a commit on a branch, its contents through `intake`, and as a base layer.

    The caller keeps gc away (Repository.writing).
    """
    ref = branch_ref(target.branch)
    tip = repository.refs.read(ref)
    parent = None if target.orphan else tip
    before = _image(repository, parent)
    config = before.config if before is not None else _config(tree, target)
    with ExitStack() as stack:
        layer = start_layer(stack, repository, tree)
        progress.phase("Writing to Git", tree.size())
        rootfs = write_tree(writer, intake, tree, progress)
        image = write_image(writer, rootfs, tree.links(), config)
        oid = parent
        if before is None or before.tree != image:
            parents = (parent,) if parent is not None else ()
            message = clean_message(target.message)
            commit = Commit(image, parents, identity.author, identity.committer, message)
            oid = writer.add(ObjectType.COMMIT, encode_commit(commit))
        packed = stack.enter_context(writer.finish())
        assert oid is not None
        if oid != parent:
            adopt_as_head(repository, ref, identity)  # HEAD names no other then
            told, who = f"import: {target.message}", identity.committer
            set_ref(repository, ref, oid, old=tip, message=told, who=who)
            packed.release()
        # After the ref: of an import that fails nothing more is to be said, nor left.
        publish_layer(layer, read_image(repository.objects, image), progress)
    if oid == parent:
        return Imported(hex_id(oid), target.branch, None, unchanged=True)
    return Imported(
        hex_id(oid),
        target.branch,
        hex_id(parent) if parent is not None else None,
        unchanged=False,
        dropped=left_without_a_name(repository, tip) if target.orphan else None,
    )


def _image(repository: Repository, commit: ObjectID | None) -> Image | None:
    """The image of a commit, if there is one; None for a commit of another tool's."""
    if commit is None:
        return None
    tree = decode_commit(repository.objects.commit(commit)).tree
    return read_image(repository.objects, tree)


def _config(tree: FileTree, target: Target) -> ImageConfig:
    """What a new image wants to run: a shell."""
    shell = "/bin/bash" if tree.has_program(b"/bin/bash") else "/bin/sh"
    return ImageConfig(cmd=(shell,), architecture=architecture_name(target.architecture))


def start_layer(stack: ExitStack, repository: Repository, tree: FileTree) -> TreeLayer | None:
    """Begin the base layer, in another process; only root can give files to others."""
    if os.geteuid() != 0:
        return None
    stack.enter_context(repository.layers_lock(shared=True))
    return stack.enter_context(TreeLayer(LayerStore(repository.layers_dir), tree))


def publish_layer(layer: TreeLayer | None, image: Image, progress: Progress) -> None:
    """Have containers find the layer, now that its image is in Git."""
    if layer is None:
        return
    progress.phase("Finishing the layer")
    try:
        lacks = layer.publish(image.filesystem)
    except LayerFailed as error:
        progress.warn(error.message)
        return
    for words in lacks:
        progress.warn(words)
