/* SPDX-License-Identifier: MIT */
/* Two wildcards, one in the other: levels in a path, characters in a level. For each, what was tried last is enough: a later
 * wildcard can take whatever an earlier one would have. */
#include "glob.h"
#include <stddef.h>

static size_t level_bytes(const char *at)
{
	size_t n = 0;

	while (at[n] && at[n] != '/')
		n++;
	return n;
}

/* NULL behind the last. */
static const char *next_level(const char *at)
{
	size_t n = level_bytes(at);

	return at[n] ? at + n + 1 : NULL;
}

static int is_any_levels(const char *at)
{
	return at[0] == '*' && at[1] == '*' && level_bytes(at) == 2;
}

/* Of a character in UTF-8; of a stray byte: 1. */
static size_t character_bytes(const char *at, size_t most)
{
	size_t n = 1;

	if ((at[0] & 0xc0) == 0xc0)
		while (n < most && (at[n] & 0xc0) == 0x80)
			n++;
	return n;
}

static int level_matches(const char *pattern, const char *text)
{
	size_t pattern_end = level_bytes(pattern), text_end = level_bytes(text);
	size_t p = 0, t = 0, star = pattern_end, tried = 0;

	while (t < text_end) {
		if (p < pattern_end && pattern[p] == '*') {
			star = p++;
			tried = t;
		} else if (p < pattern_end && pattern[p] == '?') {
			p++;
			t += character_bytes(text + t, text_end - t);
		} else if (p < pattern_end && pattern[p] == text[t]) {
			p++;
			t++;
		} else if (star < pattern_end) {
			tried += character_bytes(text + tried, text_end - tried);
			p = star + 1;
			t = tried;
		} else {
			return 0;
		}
	}
	while (p < pattern_end && pattern[p] == '*')
		p++;
	return p == pattern_end;
}

int glob_matches(const char *pattern, const char *text)
{
	const char *behind = NULL, *tried = NULL; /* the last "**", and where it was tried */

	while (text) {
		if (pattern && is_any_levels(pattern)) {
			pattern = behind = next_level(pattern);
			tried = text;
		} else if (pattern && level_matches(pattern, text)) {
			pattern = next_level(pattern);
			text = next_level(text);
		} else if (tried) {
			text = tried = next_level(tried);
			pattern = behind;
		} else {
			return 0;
		}
	}
	return !pattern;
}
