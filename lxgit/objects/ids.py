r"""Object ids, and how they are made.

An id is the SHA-1 of `<type> <size>\0<content>`, as in Git (gitformat-pack, "hash-object"). The
content of an image is a stranger's: an image that holds one half of a crafted SHA-1 pair would make
stock Git refuse the store from then on, so foreign content is checked by collision-detecting SHA-1,
as Git checks what it receives, and such an image is refused.
"""

from __future__ import annotations

from lxgit.enums import Enum
from lxgit.errors import LxgitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NewType

    ObjectID = NewType("ObjectID", bytes)
else:
    ObjectID = bytes
"""20 raw bytes; `hex_id` for people."""

ZERO_ID = ObjectID(bytes(20))

READ_LIMIT = 512 << 20
"""The most bytes of one object that are taken into memory: nothing but contents may be larger."""


class InvalidObjectID(LxgitError):
    """Not forty hexadecimal digits."""


class ObjectType(Enum):
    """The four types, numbered as in a pack (gitformat-pack)."""

    COMMIT = 1
    TREE = 2
    BLOB = 3
    TAG = 4

    @property
    def word(self) -> bytes:
        """The name in an object's header."""
        return self.name.lower().encode()

    @classmethod
    def from_word(cls, word: bytes) -> ObjectType:
        """The type of that name; KeyError for any other."""
        return cls[word.decode("ascii", "replace").upper()]


def hex_id(oid: ObjectID) -> str:
    """Forty lower-case hexadecimal digits."""
    return oid.hex()


def from_hex(text: str | bytes) -> ObjectID:
    """The id that forty hexadecimal digits spell; InvalidObjectID for anything else."""
    digits = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(raw) != 20 or len(digits) != 40:
        raise InvalidObjectID(f"'{digits}' is not an object id", hint="an id is 40 hex digits")
    return ObjectID(raw)


def object_header(kind: ObjectType, size: int) -> bytes:
    """What is hashed before the content; `size` in bytes."""
    return b"%s %d\0" % (kind.word, size)


def hash_trusted(kind: ObjectType, data: bytes) -> ObjectID:
    """The id by plain SHA-1, 3 times as fast: for content that no stranger chose."""
    import hashlib  # loads OpenSSL: 4 ms that a reader of refs does not need

    digest = hashlib.sha1(object_header(kind, len(data)), usedforsecurity=False)
    digest.update(data)
    return ObjectID(digest.digest())


def hash_blob(data: bytes) -> ObjectID:
    """A blob's id by collision-detecting SHA-1 (libgit2's); ValueError for an attack."""
    from lxgit.objects.libgit2 import libgit2

    return ObjectID(libgit2().hash(data).raw)
