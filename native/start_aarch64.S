/* SPDX-License-Identifier: MIT */
/* Entry of the core, and the start of a thread, without a libc. */

	.file "start_aarch64.S"     /* else its symbols are said to be of a temporary file: other bytes at each build */
	.text
	.globl _start
_start:
	mov x29, #0
	mov x30, #0
	mov x0, sp                  /* argc, argv, envp as execve left them; aligned */
	bl core_main
	brk #0

	.globl sys_thread
sys_thread:                         /* x0: fn, x1: stack top */
	and x1, x1, #-16
	str x0, [x1, #-16]!
	mov w0, #0x0f00             /* VM | FS | FILES | SIGHAND, */
	movk w0, #0x5, lsl #16      /* THREAD | SYSVSEM */
	mov x2, #0
	mov x3, #0
	mov x4, #0
	mov x8, #220                /* clone */
	svc #0
	cbnz x0, 1f
	mov x29, #0
	mov x30, #0
	ldr x0, [sp]
	blr x0
	brk #0
1:	ret

	.section .note.GNU-stack, "", @progbits
