// The first program of a container: see launcher.py, which holds the bytes of this file.
// At the start sp points at argc, then argv[0], argv[1] …; system calls: syscalls(2), arm64.
_start: mov     x0, #201                // read(201, somewhere, 1); fails if there is no gate
        sub     x1, sp, #16
        mov     x2, #1
        mov     x8, #63
        svc     #0
        mov     x19, x0
        mov     x0, #125                // nothing to read: the supervisor has let go of the gate
        cbz     x19, leave
        mov     x0, #201                // close(201)
        mov     x8, #57
        svc     #0
        mov     x19, #0                 // dup3(200, 0, 0), 1, 2; fails if no terminal is handed over
streams:
        mov     x0, #200
        mov     x1, x19
        mov     x2, #0
        mov     x8, #24
        svc     #0
        add     x19, x19, #1
        cmp     x19, #3
        b.ne    streams
        mov     x0, #200                // close(200)
        mov     x8, #57
        svc     #0
        mov     x8, #157                // setsid(); fails for a leader, as process 1 is
        svc     #0
        mov     x0, #0                  // ioctl(0, TIOCSCTTY, 0); fails if 0 is no terminal
        mov     x1, #0x540e
        mov     x2, #0
        mov     x8, #29
        svc     #0
        mov     x0, #3                  // close(3): this program's own file
        mov     x8, #57
        svc     #0
        ldr     x0, [sp, #24]           // chdir(argv[2])
        mov     x8, #49
        svc     #0
        cbnz    x0, outside
        add     x2, sp, #32             // envp = &argv[3]
        mov     x1, x2
next:   ldr     x3, [x1], #8            // skip to the empty string; argv = the one after it
        ldrb    w4, [x3]
        cbnz    w4, next
        str     xzr, [x1, #-8]          // which becomes the end of envp
        ldr     x0, [sp, #16]           // execve(argv[1], argv, envp)
        mov     x8, #221
        svc     #0
        mov     x19, x0                 // failed
        adr     x1, message
        mov     x2, #length
        b       say
outside:
        mov     x19, #0
        adr     x1, place
        mov     x2, #size
say:    mov     x0, #2                  // write(2, …)
        mov     x8, #64
        svc     #0
        mov     x0, #126                // exit(no such command ? 127 : 126)
        cmn     x19, #2
        cinc    x0, x0, eq
leave:  mov     x8, #93
        svc     #0
message:
        .ascii  "lxgit: the kernel cannot execute the command\n"
        .set    length, . - message
place:
        .ascii  "lxgit: the working directory cannot be entered\n"
        .set    size, . - place
