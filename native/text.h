/* SPDX-License-Identifier: MIT */
/* Text without a libc: numbers to and from digits, bounded strings. Pure; never allocates. */
#ifndef RPV_TEXT_H
#define RPV_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* gcc emits calls to these; the core brings its own (memory.c). */
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t text_len(const char *s);
int text_equal(const char *a, const char *b);
int text_starts(const char *s, const char *prefix);

/* A string being built in a fixed buffer; what does not fit is cut and `cut` is set. Always
 * terminated. */
struct text {
	char *at;
	size_t size;
	size_t len;
	int cut;
};

struct text text_on(char *buf, size_t size);
void text_add(struct text *t, const char *s);
void text_add_number(struct text *t, uint64_t n);
/* As text_add, with every control and non-ASCII byte as '?': names in messages are hostile. */
void text_add_plain(struct text *t, const char *s);

/* Reads digits at *s up to end and moves *s behind them. "max" is not a number. 0 where there
 * is none. */
uint64_t text_number(const char **s, const char *end);
/* Behind the line or field that starts with `key`, or NULL. */
const char *text_after(const char *s, const char *end, const char *key);

#endif
