# What stands before the launcher where a command is not root's: see credentials.py, which holds the
# bytes of this file. `data` follows, and then what goes on, which finds rsp as it was; system
# calls: syscalls(2), x86-64.
        .intel_syntax noprefix
_start: lea     rbx, [rip + data]
        mov     edi, 2                  # prctl(PR_GET_PDEATHSIG, signal)
        lea     rsi, [rsp - 8]
        mov     eax, 157
        syscall
        mov     edi, [rbx + 4]          # setgroups(count, groups)
        lea     rsi, [rbx + 24]
        mov     eax, 116
        syscall
        test    eax, eax
        jnz     failed
        mov     edi, [rbx + 8]          # setresgid(gid, gid, gid)
        mov     esi, edi
        mov     edx, edi
        mov     eax, 119
        syscall
        test    eax, eax
        jnz     failed
        xor     ebp, ebp
next:   mov     rax, [rbx + 16]         # each capability of the set
        bt      rax, rbp
        jnc     kept
        mov     edi, 24                 # prctl(PR_CAPBSET_DROP, capability)
        mov     esi, ebp
        mov     eax, 157
        syscall
        test    eax, eax
        jnz     failed
kept:   inc     ebp
        cmp     ebp, 64
        jne     next
        mov     edi, [rbx + 12]         # setresuid(uid, uid, uid), which clears all of its own
        mov     esi, edi
        mov     edx, edi
        mov     eax, 117
        syscall
        test    eax, eax
        jnz     failed
        mov     edi, 1                  # prctl(PR_SET_PDEATHSIG, signal): that was cleared too
        mov     esi, [rsp - 8]
        mov     eax, 157
        syscall
        mov     eax, [rbx]              # behind the data
        add     rbx, rax
        jmp     rbx
failed: mov     edi, 2                  # write(2, message, length)
        lea     rsi, [rip + message]
        mov     edx, offset length
        mov     eax, 1
        syscall
        mov     edi, 125                # exit(125)
        mov     eax, 60
        syscall
message:
        .ascii  "lxgit: the kernel does not take the user\n"
        .set    length, . - message
        .balign 8
data:
