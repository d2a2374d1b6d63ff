/* SPDX-License-Identifier: MIT */
/* Description: text is cut at its buffer's end, terminated, and hostile bytes are shown as '?'. */
#include "../../native/text.h"
#include "check.h"
#include <string.h>

int main(void)
{
	char buf[8];
	struct text t = text_on(buf, sizeof(buf));
	const char *digits = "18446744073709551615x", *at = digits;

	text_add(&t, "abc");
	text_add_number(&t, 1234567);
	CHECK(t.cut && !strcmp(buf, "abc1234"));
	t = text_on(buf, sizeof(buf));
	text_add_plain(&t, "a\033\n\xff");
	CHECK(!t.cut && !strcmp(buf, "a???"));
	t = text_on(buf, sizeof(buf));
	text_add_number(&t, 0);
	CHECK(!strcmp(buf, "0"));
	CHECK(text_number(&at, digits + strlen(digits)) == UINT64_MAX && *at == 'x');
	CHECK(text_starts("--all", "--") && !text_starts("-", "--"));
	CHECK(text_equal("a", "a") && !text_equal("a", "ab"));
	at = "under_oom 1\n";
	CHECK(text_after(at, at + 12, "under_oom ") == at + 10);
	CHECK(text_after(at, at + 12, "oom_kill ") == NULL);
	CHECK(text_after(at, at + 5, "under_oom ") == NULL);
	CHECK_DONE();
}
