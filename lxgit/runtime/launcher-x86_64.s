# The first program of a container: see launcher.py, which holds the bytes of this file.
# At the start rsp points at argc, then argv[0], argv[1] …; system calls: syscalls(2), x86-64.
        .intel_syntax noprefix
_start: mov     edi, 201                # read(201, somewhere, 1); fails if there is no gate
        lea     rsi, [rsp - 8]
        mov     edx, 1
        xor     eax, eax
        syscall
        mov     edi, 125                # nothing to read: the supervisor has let go of the gate
        test    eax, eax
        jz      leave
        mov     edi, 201                # close(201)
        mov     eax, 3
        syscall
        xor     ebx, ebx                # dup2(200, 0), 1, 2; fails if no terminal is handed over
streams:
        mov     edi, 200
        mov     esi, ebx
        mov     eax, 33
        syscall
        inc     ebx
        cmp     ebx, 3
        jne     streams
        mov     edi, 200                # close(200)
        mov     eax, 3
        syscall
        mov     eax, 112                # setsid(); fails for a leader, as process 1 is
        syscall
        xor     edi, edi                # ioctl(0, TIOCSCTTY, 0); fails if 0 is no terminal
        mov     esi, 0x540e
        xor     edx, edx
        mov     eax, 16
        syscall
        mov     edi, 3                  # close(3): this program's own file
        mov     eax, 3
        syscall
        mov     rdi, [rsp + 24]         # chdir(argv[2])
        mov     eax, 80
        syscall
        test    eax, eax
        jnz     outside
        lea     rdx, [rsp + 32]         # envp = &argv[3]
        mov     rsi, rdx
next:   mov     rcx, [rsi]              # skip to the empty string
        add     rsi, 8                  # argv = the one after it
        cmp     byte ptr [rcx], 0
        jne     next
        mov     qword ptr [rsi - 8], 0  # which becomes the end of envp
        mov     rdi, [rsp + 16]         # execve(argv[1], argv, envp)
        mov     eax, 59
        syscall
        mov     ebx, eax                # failed
        lea     rsi, [rip + message]
        mov     edx, offset length
        jmp     say
outside:
        xor     ebx, ebx
        lea     rsi, [rip + place]
        mov     edx, offset size
say:    mov     edi, 2                  # write(2, …)
        mov     eax, 1
        syscall
        mov     edi, 126                # exit(no such command ? 127 : 126)
        cmp     ebx, -2
        jne     leave
        inc     edi
leave:  mov     eax, 60
        syscall
message:
        .ascii  "lxgit: the kernel cannot execute the command\n"
        .set    length, . - message
place:
        .ascii  "lxgit: the working directory cannot be entered\n"
        .set    size, . - place
