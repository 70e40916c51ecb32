"""A command that is not root's: what stands before the launcher then (launcher.py).

In a user namespace LXC gives a container's first process no supplementary groups, whatever its
`lxc.init.groups` says (do_start, src/lxc/start.c), and lxc-attach(1) gives none at all. So every
command begins as root of its container, and this code gives it its groups, its group and its user
before anything else runs (credentials(7)). Two things are as if LXC had done it:

- The bounding set is the container's. LXC has to leave `capabilities.BECOMING` in it, which this
  code takes away again, with all else that is not the container's: see `Credentials.dropped`.
- The signal that comes when the parent dies stays what LXC asked for, though the kernel clears it
  with each change of ids (PR_SET_PDEATHSIG, prctl(2)). Who died in between is found at the gate.

With an id that the container does not have it exits with 125. The machine code is that of the
commented assembly in `credentials-*.s`; a test assembles those and compares. What they read follows
the code: its length with the count of groups, gid, uid, capabilities as a mask, and the groups.
"""

from __future__ import annotations

import struct

from lxgit.tuples import NamedTuple


class Credentials(NamedTuple):
    """Ids as the container has them; `dropped` is a mask of capabilities by their numbers."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    dropped: int


_HEAD = struct.Struct("<4IQ")

_CODE = {  # uname -m → what is in front of the data
    "x86_64": bytes.fromhex("""
        488d1dd1 000000bf 02000000 488d7424 f8b89d00 00000f05 8b7b0448 8d7318b8
        74000000 0f0585c0 75608b7b 0889fe89 fab87700 00000f05 85c0754e 31ed488b
        4310480f a3e87312 bf180000 0089eeb8 9d000000 0f0585c0 7530ffc5 83fd4075
        dd8b7b0c 89fe89fa b8750000 000f0585 c07517bf 01000000 8b7424f8 b89d0000
        000f058b 034801c3 ffe3bf02 00000048 8d351800 0000ba29 000000b8 01000000
        0f05bf7d 000000b8 3c000000 0f056c78 6769743a 20746865 206b6572 6e656c20
        646f6573 206e6f74 2074616b 65207468 65207573 65720a90
    """),
    "aarch64": bytes.fromhex("""
        93070010 400080d2 e14300d1 e81480d2 010000d4 600640b9 61620091 e81380d2
        010000d4 000400b5 600a40b9 e103002a e203002a a81280d2 010000d4 400300b5
        740a40f9 150080d2 8026d59a c0000036 000380d2 e10315aa e81480d2 010000d4
        200200b5 b5060091 bf0201f1 e1feff54 600e40b9 e103002a e203002a 681280d2
        010000d4 000100b5 200080d2 e1035fb8 e81480d2 010000d4 600240b9 6002008b
        00001fd6 400080d2 e1000010 220580d2 080880d2 010000d4 a00f80d2 a80b80d2
        010000d4 6c786769 743a2074 6865206b 65726e65 6c20646f 6573206e 6f742074
        616b6520 74686520 75736572 0a000000
    """),
}


def prologue(machine: str, wanted: Credentials) -> bytes:
    """The code and its data for `machine` (uname -m), which the launcher's code may follow."""
    count = len(wanted.groups)
    size = _HEAD.size + 4 * count
    head = _HEAD.pack(size, count, wanted.gid, wanted.uid, wanted.dropped)
    return _CODE[machine] + head + struct.pack(f"<{count}I", *wanted.groups)
