/* SPDX-License-Identifier: MIT */
/* The three functions that gcc calls by itself. Apart from text.c, so that tests take those of
 * their libc. */
#include "text.h"

#if defined(__x86_64__)

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *t = to;

	__asm__ volatile("rep movsb" : "+D"(t), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	void *t = to;

	__asm__ volatile("rep stosb" : "+D"(t), "+c"(n) : "a"(byte) : "memory");
	return to;
}

#else

/* Keeps gcc from making a call of the loop that it is in. */
#define IS_A_LOOP __asm__ volatile("" ::: "memory")

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t)) {
		__builtin_memcpy(t, f, sizeof(uint64_t));
		t += sizeof(uint64_t);
		f += sizeof(uint64_t);
		IS_A_LOOP;
	}
	while (n--) {
		*t++ = *f++;
		IS_A_LOOP;
	}
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	unsigned char *t = to;
	uint64_t word = (unsigned char)byte * 0x0101010101010101u;

	for (; n >= sizeof(word); n -= sizeof(word)) {
		__builtin_memcpy(t, &word, sizeof(word));
		t += sizeof(word);
		IS_A_LOOP;
	}
	while (n--) {
		*t++ = (unsigned char)byte;
		IS_A_LOOP;
	}
	return to;
}

#endif

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n--; x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
