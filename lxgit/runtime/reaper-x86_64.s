# What stands before the launcher with --init: see reaper.py, which holds the bytes of this file.
# The launcher follows, and finds rsp as it was; system calls: syscalls(2), x86-64.
        .intel_syntax noprefix
_start: mov     qword ptr [rsp - 8], -1 # every signal
        xor     edi, edi                # rt_sigprocmask(SIG_BLOCK, every, old, 8)
        lea     rsi, [rsp - 8]
        lea     rdx, [rsp - 16]
        mov     r10d, 8
        mov     eax, 14
        syscall
        mov     eax, 57                 # fork()
        syscall
        mov     ebx, eax
        test    eax, eax
        jz      child
        mov     edi, 125
        js      leave
        mov     rdi, [rsp + 16]         # clear argv[1] … to the end of the last one
        mov     rcx, [rsp]
        mov     rcx, [rsp + rcx * 8]
last:   inc     rcx
        cmp     byte ptr [rcx - 1], 0
        jne     last
        sub     rcx, rdi
        xor     eax, eax
        rep stosb
wait:   lea     rdi, [rsp - 8]          # rt_sigtimedwait(every, 0, 0, 8)
        xor     esi, esi
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 128
        syscall
        cmp     eax, 17                 # SIGCHLD
        je      reap
        test    eax, eax                # EINTR, as after a stop
        js      wait
        mov     edi, ebx                # kill(child, signal)
        mov     esi, eax
        mov     eax, 62
        syscall
        jmp     wait
reap:   mov     edi, -1                 # wait4(-1, status, WNOHANG, 0)
        lea     rsi, [rsp - 24]
        mov     edx, 1
        xor     r10d, r10d
        mov     eax, 61
        syscall
        test    eax, eax                # none left, or none has ended
        jle     wait
        cmp     eax, ebx
        jne     reap
        movzx   edi, byte ptr [rsp - 23]
        mov     eax, [rsp - 24]         # exit(its exit code, or 128 and the signal)
        and     eax, 127
        jz      leave
        lea     edi, [rax + 128]
leave:  mov     eax, 60
        syscall
child:  mov     edi, 2                  # rt_sigprocmask(SIG_SETMASK, old, 0, 8)
        lea     rsi, [rsp - 16]
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 14
        syscall
