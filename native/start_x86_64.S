/* SPDX-License-Identifier: MIT */
/* Entry of the core, and the start of a thread, without a libc. */

	.text
	.globl _start
_start:
	xor %ebp, %ebp
	mov %rsp, %rdi              /* argc, argv, envp as execve left them */
	and $-16, %rsp
	call core_main
	ud2

	.globl sys_thread
sys_thread:                         /* rdi: fn, rsi: stack top */
	and $-16, %rsi
	sub $16, %rsi
	mov %rdi, (%rsi)
	mov $0x50f00, %edi          /* VM | FS | FILES | SIGHAND | THREAD | SYSVSEM */
	xor %edx, %edx
	xor %r10d, %r10d
	xor %r8d, %r8d
	mov $56, %eax               /* clone */
	syscall
	test %eax, %eax
	jnz 1f
	xor %ebp, %ebp
	mov (%rsp), %rax
	call *%rax
	ud2
1:	ret

	.section .note.GNU-stack, "", @progbits
