"""The history of an image as commits: what each says, but for its tree.

Nothing but the image's own words decides it: no clock, no user, no host. So images that begin alike
begin with the same commits, in every store.
"""

from __future__ import annotations

import hashlib

from lxgit.objects.commits import ITSELF, Commit, Signature, decode_signature
from lxgit.objects.messages import add_trailers, clean_message
from lxgit.oci.createdby import after, instruction_of
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.oci.config import ImageFacts, Step

LAYER = "Layer"
"""The trailer of a commit that says which layer its file system came with: its diff id."""

_SAYS_NOTHING = ("buildkit.",)
"""Comments that say which tool it was, and not what was done."""


class Entry(NamedTuple):
    """A commit to be: `config` is what the image wants by then, `diff_id` its layer if it has one.

    `chain` stands for this layer and all below it.
    """

    config: ImageConfig
    message: str
    author: Signature
    time: int
    diff_id: str | None
    chain: str

    def commit(self, tree: ObjectID, parent: ObjectID | None) -> Commit:
        """The commit, once its tree is known."""
        parents = (parent,) if parent is not None else ()
        return Commit(tree, parents, self.author, ITSELF._replace(time=self.time), self.message)


def entries(facts: ImageFacts) -> Iterator[Entry]:
    """The commits of an image, the oldest first.

    The last one wants what the image wants; the others what their instructions say so far, as well
    as one can tell (`createdby`).
    """
    config, time, chain = facts.begin, 0, ""
    for number, step in enumerate(facts.steps, start=1):
        instruction = instruction_of(step.created_by, config)
        config = after(config, step.created_by, step.comment)
        if number == len(facts.steps):
            config = facts.config
        time = time if step.time is None else step.time
        if step.diff_id is not None:
            chain = chain_id(chain, step.diff_id)
        author = _author(step.author)._replace(time=time)
        yield Entry(config, _message(step, instruction), author, time, step.diff_id, chain)


def chain_id(below: str, diff_id: str) -> str:
    """What stands for a layer and all below it (image-spec, config.md, "Layer ChainID")."""
    if not below:
        return diff_id
    return f"sha256:{hashlib.sha256(f'{below} {diff_id}'.encode()).hexdigest()}"


def _message(step: Step, instruction: str) -> str:
    """What was done, in the words of who did it; then the program that ran, and the layer."""
    comment = "" if step.comment.startswith(_SAYS_NOTHING) else step.comment
    title = " ".join((comment.strip() or instruction).split())
    trailers = [("Command", step.created_by.strip())] if step.created_by.strip() else []
    if step.diff_id is not None:
        trailers.append((LAYER, step.diff_id))
        title = title or f"Layer {step.diff_id.partition(':')[2][:12]}"
    return add_trailers(clean_message(title or "Nothing is said of this step"), trailers)


def _author(text: str) -> Signature:
    """`NAME <ADDRESS>`, or whatever somebody has written there."""
    found = decode_signature(text.encode("utf-8", "surrogateescape"))
    return found if found.name or found.email else ITSELF
