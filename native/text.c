/* SPDX-License-Identifier: MIT */
/* Text without a libc. */
#include "text.h"

size_t text_len(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int text_equal(const char *a, const char *b)
{
	size_t n = text_len(a);

	return n == text_len(b) && !memcmp(a, b, n);
}

int text_starts(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return 0;
	return 1;
}

struct text text_on(char *buf, size_t size)
{
	buf[0] = 0;
	return (struct text){ buf, size, 0, 0 };
}

static void add_byte(struct text *t, char c)
{
	if (t->len + 1 >= t->size) {
		t->cut = 1;
		return;
	}
	t->at[t->len++] = c;
	t->at[t->len] = 0;
}

void text_add(struct text *t, const char *s)
{
	while (*s)
		add_byte(t, *s++);
}

void text_add_plain(struct text *t, const char *s)
{
	for (; *s; s++)
		add_byte(t, *s >= ' ' && *s <= '~' ? *s : '?');
}

void text_add_number(struct text *t, uint64_t n)
{
	char digits[20];
	int i = 0;

	do {
		digits[i++] = (char)('0' + n % 10);
	} while (n /= 10);
	while (i)
		add_byte(t, digits[--i]);
}

uint64_t text_number(const char **s, const char *end)
{
	uint64_t n = 0;

	for (; *s < end && **s >= '0' && **s <= '9'; ++*s)
		n = n * 10 + (uint64_t)(**s - '0');
	return n;
}

const char *text_after(const char *s, const char *end, const char *key)
{
	size_t n = text_len(key);

	/* Most bytes are not the first one: to ask that alone is four times as fast. */
	for (; s + n <= end; s++)
		if (*s == *key && !memcmp(s, key, n))
			return s + n;
	return NULL;
}
