"""A process 1 that reaps: what `--init` puts before the launcher (launcher.py).

A command that is process 1 itself inherits every orphan of the container, which most commands
never wait for, and no signal ends it that it has no handler for (pid_namespaces(7)). With this code
before it, the launcher is a child: it becomes the command as ever, with a session and the terminal
of its own. Process 1 passes every signal on to it, waits for whatever ends, and exits with the
command's exit code, or with 128 and the number of the signal that ended it, once the command has.
It clears its own arguments, which hold the command's environment and which ps(1) shows to all.

The machine code is that of the commented assembly in `reaper-*.s`; a test assembles those and
compares.
"""

from __future__ import annotations

CODE = {  # uname -m → what falls through into the launcher
    "x86_64": bytes.fromhex("""
        48c74424 f8ffffff ff31ff48 8d7424f8 488d5424 f041ba08 000000b8 0e000000
        0f05b839 0000000f 0589c385 c00f848c 000000bf 7d000000 787e488b 7c241048
        8b0c2448 8b0ccc48 ffc18079 ff0075f7 4829f931 c0f3aa48 8d7c24f8 31f631d2
        41ba0800 0000b880 0000000f 0583f811 741185c0 78e189df 89c6b83e 0000000f
        05ebd4bf ffffffff 488d7424 e8ba0100 00004531 d2b83d00 00000f05 85c07eb7
        39d875df 0fb67c24 e98b4424 e883e07f 74068db8 80000000 b83c0000 000f05bf
        02000000 488d7424 f031d241 ba080000 00b80e00 00000f05
    """),
    "aarch64": bytes.fromhex("""
        01008092 e1831ff8 000080d2 e12300d1 e24300d1 030180d2 e81080d2 010000d4
        200280d2 010080d2 020080d2 030080d2 040080d2 881b80d2 010000d4 f30300aa
        400500b4 a00f80d2 d304f8b7 e00b40f9 e10340f9 e17b61f8 22144038 e2ffff35
        1f140038 1f0001eb c1ffff54 e02300d1 010080d2 020080d2 030180d2 281180d2
        010000d4 1f4400f1 e0000054 00ffffb7 e10300aa e00313aa 281080d2 010000d4
        f3ffff17 00008092 e16300d1 220080d2 030080d2 882080d2 010000d4 1f0000f1
        6dfdff54 1f0013eb e1feff54 e1835eb8 203c0853 21180072 40000054 20000211
        a80b80d2 010000d4 400080d2 e14300d1 020080d2 030180d2 e81080d2 010000d4
    """),
}
