// SPDX-License-Identifier: MIT
/* What libstdc++ of Debian, made for glibc, asks of it and musl lacks. */
#include <stddef.h>
#include <stdint.h>

long getrandom(void *buf, size_t bytes, unsigned flags);
unsigned long getauxval(unsigned long type);

char __libc_single_threaded;

/* It then asks dl_iterate_phdr(3). */
int _dl_find_object(void *pc, void *result)
{
	(void)pc;
	(void)result;
	return -1;
}

uint32_t arc4random(void)
{
	uint32_t n = 0;

	getrandom(&n, sizeof(n), 0);
	return n;
}

/* On arm64: which atomics the CPU has. */
unsigned long __getauxval(unsigned long type) { return getauxval(type); }
