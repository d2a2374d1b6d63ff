/* SPDX-License-Identifier: MIT */
/* Description: glob_matches() matches levels and characters, in bounded time, and stray bytes as characters. */
#include "../../native/glob.h"
#include "check.h"
#include <string.h>

struct row {
	const char *pattern, *text;
	int matches;
};

static const struct row rows[] = {
	{ "java", "java", 1 },
	{ "java", "javac", 0 },
	{ "java", "jav", 0 },
	{ "java*", "java", 1 },
	{ "*java", "a-java", 1 },
	{ "j*a*a", "jaaa", 1 },
	{ "*", "", 1 },
	{ "?", "", 0 },
	{ "?", "a", 1 },
	{ "?", "\xc3\xa9", 1 },
	{ "??", "\xc3\xa9", 0 },
	{ "*?", "\xc3\xa9", 1 },
	{ "?", "\xa9", 1 },
	{ "?b",
	  "\xc3"
	  "b",
	  1 },
	{ "*", "a/b", 0 },
	{ "a/*", "a/b", 1 },
	{ "a/*", "a", 0 },
	{ "**", "", 1 },
	{ "**", "a/b/c", 1 },
	{ "a/**", "a/b/c", 1 },
	{ "**/c", "a/b/c", 1 },
	{ "**/c", "c", 1 },
	{ "a/**/c", "a/c", 1 },
	{ "a/**/c", "a/b/b/c", 1 },
	{ "a/**/c", "a/b/b", 0 },
	{ "a**", "a/b", 0 },
	{ "a**", "abc", 1 },
	{ "**/b/**/d", "a/b/c/b/d", 1 },
	{ "/usr/*/java", "/usr/bin/java", 1 },
	{ "[a]", "a", 0 },
	{ "[a]", "[a]", 1 },
	{ "\\*", "\\x", 1 },
	{ "", "", 1 },
	{ "", "a", 0 },
};

int main(void)
{
	static char text[10001], pattern[2001];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (glob_matches(rows[i].pattern, rows[i].text) != rows[i].matches)
			printf("%s, %s\n", rows[i].pattern, rows[i].text), check_failures++;
	memset(text, 'a', sizeof(text) - 1);
	for (unsigned i = 0; i < 1000; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	CHECK(glob_matches(pattern, text));
	strcpy(pattern + sizeof(pattern) - 2, "b");
	CHECK(!glob_matches(pattern, text));
	CHECK_DONE();
}
