"""Which system calls a container may not make: a filter in the words of LXC (version 2).

What Docker's default profile or Podman's keeps from a container is kept from ours; in words of what
is refused, since LXC leaves out names that the host's libseccomp does not know, and an allowed call
must not be lost that way. A capability brings back what it is there for. Sources: syscalls(2), the
manual page of each, and lxc.container.conf(5).

A call that is refused with ENOSYS is one that programs try and do without, as on an older kernel.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_EPERM, _ENOSYS = 1, 38

# By the capability that allows them; without one, for nobody.
_REFUSED = {
    "bpf": "bpf",
    "dac_read_search": "open_by_handle_at",
    "perfmon": "perf_event_open",
    "sys_admin": "bpf fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount"
    " mount_setattr move_mount open_tree perf_event_open pivot_root quotactl quotactl_fd"
    " setdomainname sethostname setns syslog umount umount2 unshare",
    "sys_boot": "reboot",
    "sys_module": "create_module delete_module finit_module init_module query_module",
    "sys_nice": "get_mempolicy mbind migrate_pages move_pages set_mempolicy",
    "sys_pacct": "acct",
    "sys_ptrace": "kcmp pidfd_getfd process_madvise",
    "sys_rawio": "ioperm iopl",
    "sys_time": "clock_settime clock_settime64 settimeofday stime",
    "sys_tty_config": "vhangup",
    "syslog": "syslog",
    "": "_sysctl add_key afs_syscall get_kernel_syms getpmsg kexec_file_load kexec_load keyctl"
    " nfsservctl putpmsg request_key security swapoff swapon sysfs tuxcall uselib userfaultfd ustat"
    " vmsplice vserver",
}
_MISSING = {
    "": "cachestat file_getattr file_setattr futex_requeue futex_wait futex_waitv futex_wake"
    " getxattrat io_pgetevents io_uring_enter io_uring_register io_uring_setup listmount"
    " listxattrat lsm_get_self_attr lsm_list_modules lsm_set_self_attr map_shadow_stack"
    " mseal open_tree_attr removexattrat set_mempolicy_home_node setxattrat statmount",
    "sys_admin": "clone3",  # its flags are in memory, where no filter sees them
}
_NAMESPACES = (  # clone(2): CLONE_NEW* …
    *(0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000),
    *(0x1000_0000, 0x2000_0000, 0x4000_0000),
)
# To the hypervisor, past every network namespace. 32-bit code of x86 asks by socketcall(2), whose
# arguments are in memory, where no filter sees them.
_AF_VSOCK = 40


def profile(capabilities: Collection[str]) -> str:
    """The text of a profile for processes that have these in their bounding set."""
    return "\n".join(("2", "denylist", "reject_force_umount", "[all]", *_rules(capabilities), ""))


def _rules(capabilities: Collection[str]) -> Iterator[str]:
    for table, error in ((_REFUSED, _EPERM), (_MISSING, _ENOSYS)):
        allowed = {name for key in table if key in capabilities for name in table[key].split()}
        refused = {name for names in table.values() for name in names.split()} - allowed
        yield from (f"{name} errno {error}" for name in sorted(refused))
    if "sys_admin" not in capabilities:
        for flag in _NAMESPACES:
            yield f"clone errno {_EPERM} [0,{flag},SCMP_CMP_MASKED_EQ,{flag}]"
    # The kernel takes 32 bits of the argument, a filter sees 64.
    yield f"socket errno {_EPERM} [0,{0xFFFF_FFFF},SCMP_CMP_MASKED_EQ,{_AF_VSOCK}]"
