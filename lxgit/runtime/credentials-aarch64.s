// What stands before the launcher where a command is not root's: see credentials.py, which holds the
// bytes of this file. `data` follows, and then what goes on, which finds sp as it was; system
// calls: syscalls(2), arm64.
_start: adr     x19, data
        mov     x0, #2                  // prctl(PR_GET_PDEATHSIG, signal)
        sub     x1, sp, #16
        mov     x8, #167
        svc     #0
        ldr     w0, [x19, #4]           // setgroups(count, groups)
        add     x1, x19, #24
        mov     x8, #159
        svc     #0
        cbnz    x0, failed
        ldr     w0, [x19, #8]           // setresgid(gid, gid, gid)
        mov     w1, w0
        mov     w2, w0
        mov     x8, #149
        svc     #0
        cbnz    x0, failed
        ldr     x20, [x19, #16]
        mov     x21, #0
next:   lsr     x0, x20, x21            // each capability of the set
        tbz     x0, #0, kept
        mov     x0, #24                 // prctl(PR_CAPBSET_DROP, capability)
        mov     x1, x21
        mov     x8, #167
        svc     #0
        cbnz    x0, failed
kept:   add     x21, x21, #1
        cmp     x21, #64
        b.ne    next
        ldr     w0, [x19, #12]          // setresuid(uid, uid, uid), which clears all of its own
        mov     w1, w0
        mov     w2, w0
        mov     x8, #147
        svc     #0
        cbnz    x0, failed
        mov     x0, #1                  // prctl(PR_SET_PDEATHSIG, signal): that was cleared too
        ldur    w1, [sp, #-16]
        mov     x8, #167
        svc     #0
        ldr     w0, [x19]               // behind the data
        add     x0, x19, x0
        br      x0
failed: mov     x0, #2                  // write(2, message, length)
        adr     x1, message
        mov     x2, #length
        mov     x8, #64
        svc     #0
        mov     x0, #125                // exit(125)
        mov     x8, #93
        svc     #0
message:
        .ascii  "lxgit: the kernel does not take the user\n"
        .set    length, . - message
        .balign 8
data:
