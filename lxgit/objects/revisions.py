"""What a user types for a commit (gitrevisions(7)), and what lxgit adds to it.

    base:v1          the tag `base/v1`; `base:latest` is the branch `base`
    REV:/etc/hosts   a path of the machine: `split_path` takes it off first
    :/text           Git's: the youngest commit whose message has the text

Names of refs, tags as above and ids are found here, without starting Git; everything else, such as
`base~3`, `HEAD@{yesterday}` or `base^{/nginx}`, by `git rev-parse`. Containers are not known here:
who knows them asks `find_ref`, then looks for a container, then asks `resolve`.
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.ids import ObjectID, ObjectType, from_hex, hex_id
from lxgit.objects.refnames import BRANCHES, DELETED, LATEST, TAGS, image_and_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.git import Git
    from lxgit.objects.refreader import RefReader

NAMES_LISTED = "'lxgit branch' and 'lxgit tag' list the names"
_MOST_TAGS = 16  # of tags; Git has no limit, and no use for more than one


class UnknownRevision(LxgitError):
    """No commit goes by that name; `nearest` has the names most like it."""

    def __init__(self, message: str, *, hint: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.nearest = tuple(nearest)


class AmbiguousRevision(LxgitError):
    """More than one thing goes by that name."""

    def __init__(self, text: str, candidates: Sequence[str]) -> None:
        super().__init__(
            f"'{text}' is ambiguous", hint="write one of these: " + ", ".join(candidates)
        )
        self.candidates = tuple(candidates)


class IsRange(LxgitError):
    """A range was named where one commit is wanted."""

    def __init__(self, text: str) -> None:
        hint = f"'lxgit log -p {text}' shows the commits in it"
        if text.startswith("^"):
            hint = (
                f"did you mean '{text[1:]}'? 'lxgit log {text} HEAD' lists what HEAD has beyond it"
            )
        super().__init__(f"'{text}' is a range, and one commit is wanted", hint=hint)


class NotACommit(LxgitError):
    """The object `oid`, for which a name stands, is something else than a commit."""

    def __init__(self, oid: ObjectID, kind: ObjectType) -> None:
        super().__init__(
            f"{hex_id(oid)[:12]} is a {kind.name.lower()}, not a commit",
            hint="'lxgit ls REV:/PATH' lists a directory, 'lxgit show REV:/PATH' prints a file;"
            f" 'git -C STORE/git show {hex_id(oid)[:12]}' shows any object",
        )
        self.oid = oid


def nearest_names(text: str, names: Iterable[str]) -> list[str]:
    """The three names most like `text`, the nearest first; fewer when few are.

    First those that a `text` without its image may mean: `base:v1` for `v1`.
    """
    import difflib

    known = sorted(set(names))
    parts = [name for name in known if name.endswith(f":{text}")] if text else []
    close = difflib.get_close_matches(text, known, n=3, cutoff=0.6)
    return list(dict.fromkeys((*parts, *close)))[:3]


class Revisions:
    """Finds the commits of one repository."""

    def __init__(self, objects: Callable[[], ObjectDatabase], refs: RefReader, git: Git) -> None:
        """`objects` opens the database, which most names do not need."""
        self._open_objects = objects
        self._refs = refs
        self._git = git

    @property
    def _objects(self) -> ObjectDatabase:
        return self._open_objects()

    def ref_name(self, text: str) -> str | None:
        """The full name of the ref that `text` names, be it HEAD, `base`, `base:v1`, `heads/base`.

        AmbiguousRevision when it is a branch and a tag.
        """
        if ":" in text:
            from lxgit.objects.revisionsyntax import split_tag

            if (tag := split_tag(text)) is not None:
                name = f"{BRANCHES}{tag[0]}" if tag[1] == LATEST else f"{TAGS}{tag[0]}/{tag[1]}"
                return name if self._exists(name) else None
        names = ["HEAD" if text == "@" else text, f"refs/{text}"]
        names = [name for name in names if self._exists(name)]
        if not names:
            names = [name for name in (TAGS + text, BRANCHES + text) if self._exists(name)]
        if len(names) > 1:
            raise AmbiguousRevision(text, names)
        if not names and self._exists(f"refs/remotes/{text}"):
            return f"refs/remotes/{text}"
        return names[0] if names else None

    def find_ref(self, text: str) -> ObjectID | None:
        """The commit that HEAD, a branch or a tag of that name stands for, if there is one.

        AmbiguousRevision, NotACommit.
        """
        name = self.ref_name(text)
        oid = None if name is None else self._refs.read(name)
        if oid is None or name == "HEAD" or (name or "").startswith(BRANCHES):
            return oid  # Git lets them be nothing but commits, and opening the packs takes 7 ms
        return self.peel(oid)

    def find_prefix(self, text: str) -> list[ObjectID]:
        """The commits whose ids begin with these 4 to 40 hexadecimal digits."""
        found = (self.peeled(oid) for oid in self._objects.resolve_prefix(text))
        return sorted({oid for oid in found if oid is not None})

    def resolve(self, text: str) -> ObjectID:
        """The commit that `text` stands for, whatever way it is written.

        UnknownRevision, AmbiguousRevision, NotACommit, IsRange.
        """
        if (oid := self._found(text)) is not None:
            return oid
        if self._is_range(text):
            raise IsRange(text)
        raise self.unknown(text)

    def _found(self, text: str) -> ObjectID | None:
        """The same, if there is one."""
        if (oid := self.find_ref(text)) is not None:
            return oid
        found = self.find_prefix(text) or self._objects.resolve_prefix(text)
        if len(found) > 1:
            raise AmbiguousRevision(text, [hex_id(oid)[: len(text) + 8] for oid in found])
        if found:
            return self.peel(found[0])
        if (answer := self._ask_git(text)) is not None:
            return self.peel(answer)
        return None

    def _is_range(self, text: str) -> bool:
        """Whether it is a range of what is here."""
        from lxgit.objects.revisionsyntax import range_ends

        ends = range_ends(text)
        return bool(ends) and all(self._found(end) is not None for end in ends)

    def peel(self, oid: ObjectID) -> ObjectID:
        """The commit that an object is, or that a tag comes down to; NotACommit for others."""
        from lxgit.objects.commits import decode_tag

        target = oid
        for _ in range(_MOST_TAGS):
            kind, _ = self._objects.describe(target)
            if kind is ObjectType.COMMIT:
                return target
            if kind is not ObjectType.TAG:
                break
            target = decode_tag(self._objects.read(target)[1]).target
        raise NotACommit(oid, kind)

    def peeled(self, oid: ObjectID) -> ObjectID | None:
        """The same, and None for others: any tool may tag what is no image."""
        try:
            return self.peel(oid)
        except NotACommit:
            return None

    def range_arguments(
        self, texts: Sequence[str], resolve: Callable[[str], ObjectID] | None = None
    ) -> list[str]:
        """What `git rev-list` wants for `A`, `^A`, `A..B`, `A...B`, `A^!`, `A^@`, `A^-`.

        Every name in it is found by `resolve`, this class's own by default, and given as an id: so
        nothing that was typed comes to Git as an option or a path. Errors as `resolve`.
        """
        find = resolve or self.resolve
        return [argument for text in texts for argument in _range(text, find)]

    def names(self) -> list[str]:
        """All branches and tags as a user may write them: `base`, `base/v1`, `base:v1`."""
        branches = [name.removeprefix(BRANCHES) for name in self._refs.list(BRANCHES)]
        tags = [name.removeprefix(TAGS) for name in self._refs.list(TAGS)]
        of_images = (parts for parts in map(image_and_tag, tags) if parts[0])
        return [*branches, *tags, *map(":".join, of_images)]

    def unknown(self, text: str, more_names: Iterable[str] = ()) -> UnknownRevision:
        """The error for a name that nothing has; `more_names` may be meant as well."""
        names = self.names()
        if not names and self._exists(DELETED):
            return UnknownRevision(
                f"there is no '{text}': no branch is left",
                hint="'lxgit undo --redo' does again what was undone;"
                " 'lxgit reflog --deleted' lists what was deleted",
            )
        if not names:
            return UnknownRevision(
                f"there is no '{text}': the store is empty",
                hint="'lxgit bootstrap trixie base' or 'lxgit import FILE base' makes an image",
            )
        if text in {"HEAD", "@"} and isinstance(head := self._refs.head(), str):
            return UnknownRevision(
                f"HEAD names the branch '{head.removeprefix(BRANCHES)}', which has no commit yet",
                hint="'lxgit checkout' goes to another one",
            )
        nearest = nearest_names(text, [*names, *more_names])
        hints = []
        if nearest:
            hints.append("did you mean " + " or ".join(f"'{name}'" for name in nearest) + "?")
        name, _, path = text.partition(":")
        if text.startswith(":/"):
            hints.append(f"':/' looks for a message; a path is written 'HEAD{text}'")
        named = name in {"HEAD", "@"} or self._exists(f"{BRANCHES}{name}")
        if path and path[0] != "/" and named:
            hints.append(f"a path is written '{name}:/{path}'")
        return UnknownRevision(
            f"there is no '{text}'",
            hint="; ".join(hints) or NAMES_LISTED,
            nearest=nearest,
        )

    def _exists(self, name: str) -> bool:
        return self._refs.read(name) is not None

    def _ask_git(self, text: str) -> ObjectID | None:
        """The object that Git takes the text for, with our names in it replaced by Git's."""
        from lxgit.objects.git import GitFailed
        from lxgit.objects.revisionsyntax import is_for_git

        if not is_for_git(text):
            return None
        try:
            answer = self._git.run(
                ["rev-parse", "--verify", "--quiet", "--end-of-options", self._for_git(text)]
            )
        except GitFailed:
            return None
        return from_hex(answer.strip())

    def _for_git(self, text: str) -> str:
        """The same with `base:v1`, where it begins with that, as `refs/tags/base/v1`.

        AmbiguousRevision when it begins with such a name: Git would take one of the two.
        """
        from lxgit.objects.revisionsyntax import split_steps

        name, steps = split_steps(text)
        full = self.ref_name(name) if steps else None
        return full + steps if full is not None and ":" in name else text


def _range(text: str, resolve: Callable[[str], ObjectID]) -> list[str]:
    """The arguments for one of the forms of `range_arguments`."""
    if "^" not in text and ".." not in text:
        return [hex_id(resolve(text))]
    from lxgit.objects.revisionsyntax import split_parents, split_range

    if text.startswith("^"):
        return [f"^{hex_id(resolve(text[1:]))}"]
    if step := split_parents(text):
        return [hex_id(resolve(step[0])) + step[1]]
    ends = split_range(text)
    if ends is None:
        return [hex_id(resolve(text))]
    left, right = (hex_id(resolve(end or "HEAD")) for end in (ends[0], ends[2]))
    return [f"{left}...{right}"] if ends[1] == "..." else [right, f"^{left}"]
