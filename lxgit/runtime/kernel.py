"""Raw system calls that Python does not have, and nothing else.

Each function is one call of the kernel: same name, same order, errno as OSError. The new mount API
(fsopen, fsconfig, fsmount, move_mount, open_tree, mount_setattr) has no wrappers in older C
libraries, so those go by number; numbers from 424 up are the same on every architecture
(include/uapi/asm-generic/unistd.h). Paths are bytes or str, as `os.fsencode` takes them.

Sources: the man pages named below (Linux man-pages 6.9), Documentation/filesystems/overlayfs.rst,
Documentation/filesystems/idmappings.rst and include/uapi/linux/mount.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os

from lxgit.processes import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    StrOrBytesPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

# Namespaces: unshare(2), setns(2).
CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWNET = 0x4000_0000

# The old mount calls: mount(2), umount2(2).
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000
MS_SLAVE = 0x8_0000
MNT_DETACH = 0x2

# The new ones: open_tree(2), move_mount(2), fsmount(2), mount_setattr(2).
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 0x1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_IDMAP = 0x10_0000

# Changes to files: inotify(7).
IN_MOVED_TO = 0x80

# Attributes of a process: prctl(2).
PR_SET_NAME = 15
PR_GET_SECUREBITS = 27
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 0x4  # capabilities(7)

_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_FSOPEN = 430
_SYS_FSCONFIG = 431
_SYS_FSMOUNT = 432
_SYS_MOUNT_SETATTR = 442

_FSOPEN_CLOEXEC = 0x1
_FSMOUNT_CLOEXEC = 0x1
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6

_libc = libc()


class _MountAttr(ctypes.Structure):
    """struct mount_attr, mount_setattr(2)."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _checked(result: int, *context: StrOrBytesPath) -> int:
    """Turn -1 into OSError; `context` is the path that the error message names."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), *map(os.fsdecode, context[:1]))
    return result


def _syscall(number: int, *arguments: int | bytes | ctypes._CArgObject | None) -> int:
    # Variadic: ctypes would pass a Python int as a 32-bit one, and the upper half would be noise.
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *converted)
    return result


def unshare(flags: int) -> None:
    """Move this process into new namespaces (unshare(2)). EPERM without CAP_SYS_ADMIN."""
    _checked(_libc.unshare(ctypes.c_int(flags)))


def setns(fd: int, flags: int) -> None:
    """Join the namespace, or those of a pidfd that `flags` name (setns(2))."""
    _checked(_libc.setns(ctypes.c_int(fd), ctypes.c_int(flags)))


def prctl(option: int, argument: int) -> int:
    """One attribute of this process (prctl(2)), set, or what it is."""
    return _checked(_libc.prctl(ctypes.c_int(option), *map(ctypes.c_ulong, (argument, 0, 0, 0))))


def setfsuid(uid: int) -> None:
    """Whom this thread is for access to files, and whose new ones are (setfsuid(2))."""
    _libc.setfsuid(ctypes.c_uint(uid))  # it gives the former one, and no error


def setfsgid(gid: int) -> None:
    """The same for its group (setfsgid(2))."""
    _libc.setfsgid(ctypes.c_uint(gid))


def set_process_name(name: bytes) -> None:
    """What `ps` and `top` show of this process; cut after 15 bytes (PR_SET_NAME)."""
    buffer = ctypes.create_string_buffer(name[:15])
    _checked(_libc.prctl(ctypes.c_int(PR_SET_NAME), buffer))


def mount(
    source: StrOrBytesPath,
    target: StrOrBytesPath,
    fstype: bytes | None = None,
    flags: int = 0,
    data: bytes | None = None,
) -> None:
    """The old mount call (mount(2)): bind mounts, propagation, small file systems."""
    _checked(
        _libc.mount(os.fsencode(source), os.fsencode(target), fstype, ctypes.c_ulong(flags), data),
        target,
    )


def umount(target: StrOrBytesPath, flags: int = 0) -> None:
    """Take a mount down (umount2(2)); MNT_DETACH hides it now and frees it after its last user."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(flags)), target)


def inotify_init() -> int:
    """A descriptor that tells of changes to files, close-on-exec and non-blocking (inotify(7))."""
    return _checked(_libc.inotify_init1(ctypes.c_int(os.O_CLOEXEC | os.O_NONBLOCK)))


def inotify_add_watch(fd: int, path: StrOrBytesPath, mask: int) -> None:
    """Have it tell what happens to a file or in a directory (inotify_add_watch(2))."""
    _checked(_libc.inotify_add_watch(fd, os.fsencode(path), ctypes.c_uint32(mask)), path)


def filesystem_type(path: StrOrBytesPath) -> int:
    """The magic number of a path's file system: f_type, first in struct statfs (statfs(2))."""
    buffer = (ctypes.c_long * 64)()  # larger than any architecture's
    _checked(_libc.statfs(os.fsencode(path), ctypes.byref(buffer)), path)
    return buffer[0]


def enter_private_mounts() -> None:
    """Give this process a mount namespace of its own: what it mounts dies with its last member.

    Propagation is set to slave, not private: an unmount on the host still reaches us, so that we
    hold no stranger's file system busy (mount_namespaces(7)). Nothing of ours reaches the host.
    """
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_SLAVE)


def open_tree(path: StrOrBytesPath, *, recursive: bool = False) -> int:
    """A detached copy of the mount at a path, `recursive` of those below it too (open_tree(2))."""
    flags = OPEN_TREE_CLOEXEC | OPEN_TREE_CLONE | (AT_RECURSIVE if recursive else 0)
    return _checked(_syscall(_SYS_OPEN_TREE, AT_FDCWD, os.fsencode(path), flags), path)


def move_mount(mount_fd: int, target: StrOrBytesPath | int) -> None:
    """Attach a detached mount at a path, or on an open file or directory (move_mount(2))."""
    flags = MOVE_MOUNT_F_EMPTY_PATH
    if isinstance(target, int):
        flags |= MOVE_MOUNT_T_EMPTY_PATH
        _checked(_syscall(_SYS_MOVE_MOUNT, mount_fd, b"", target, b"", flags))
    else:
        path = os.fsencode(target)
        _checked(_syscall(_SYS_MOVE_MOUNT, mount_fd, b"", AT_FDCWD, path, flags), target)


def set_mount_idmap(mount_fd: int, userns_fd: int, *, recursive: bool = False) -> None:
    """Show a detached mount's owners through a user namespace's map (mount_setattr(2)).

    `recursive`: those of what is mounted below it too. EINVAL: a file system cannot do it. EPERM:
    the mount has been attached or mapped before.
    """
    attributes = _MountAttr(attr_set=MOUNT_ATTR_IDMAP, userns_fd=userns_fd)
    _mount_setattr(mount_fd, attributes, recursive=recursive)


def set_mount_flags(mount_fd: int, attributes: int, *, recursive: bool = False) -> None:
    """Add MOUNT_ATTR_RDONLY and the like to one mount, or to all below it (mount_setattr(2))."""
    _mount_setattr(mount_fd, _MountAttr(attr_set=attributes), recursive=recursive)


def set_mount_propagation(mount_fd: int, propagation: int) -> None:
    """MS_PRIVATE: a mount and those below it hear nothing of later mounts where they come from.

    MS_SLAVE: they hear of those, and tell of none (mount_namespaces(7)).
    """
    _mount_setattr(mount_fd, _MountAttr(propagation=propagation), recursive=True)


def _mount_setattr(mount_fd: int, attributes: _MountAttr, *, recursive: bool) -> None:
    attr, size = ctypes.byref(attributes), ctypes.sizeof(attributes)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _checked(_syscall(_SYS_MOUNT_SETATTR, mount_fd, b"", flags, attr, size))


@contextlib.contextmanager
def filesystem_context(fstype: bytes) -> Iterator[int]:
    """Begin to set up a file system (fsopen(2)); closed at the end. ENODEV: kernel lacks it."""
    fd = _checked(_syscall(_SYS_FSOPEN, fstype, _FSOPEN_CLOEXEC), fstype)
    try:
        yield fd
    finally:
        os.close(fd)


def set_option(context: int, key: bytes, value: bytes | None = None) -> None:
    """Give one mount option (fsconfig(2)); without a value a flag. EINVAL: value over 255 bytes."""
    command = _FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING
    _configured(context, _syscall(_SYS_FSCONFIG, context, command, key, value, 0), key)


def create_mount(context: int, attributes: int = 0) -> int:
    """Make the superblock and a detached mount of it (fsconfig(2) CMD_CREATE, fsmount(2)).

    `attributes` are MOUNT_ATTR_*. What the file system says about a failure is in the error.
    """
    created = _syscall(_SYS_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
    _configured(context, created, b"create")
    return _checked(_syscall(_SYS_FSMOUNT, context, _FSMOUNT_CLOEXEC, attributes))


def _configured(context: int, result: int, key: bytes) -> None:
    """Raise with the kernel's own words, which it queues on the context (fsopen(2))."""
    if result >= 0:
        return
    code = ctypes.get_errno()
    words = "; ".join(context_messages(context)) or os.strerror(code)
    raise OSError(code, words, os.fsdecode(key))


def context_messages(context: int) -> list[str]:
    """What a file system has to say about its set-up so far: `e …` errors, `w …` warnings."""
    messages = []
    while True:
        try:
            messages.append(os.read(context, 8192).decode("utf-8", "replace").strip())
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
            return messages
