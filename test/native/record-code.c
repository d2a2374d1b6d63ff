/* SPDX-License-Identifier: MIT */
/* Description: record_code() and record_pages() keep a size to half a step, and nobody apart from nothing. */
#include "recorded.h"

int main(void)
{
	CHECK(record_code(0, FAST_BITS) == 1 && record_pages(1, FAST_BITS) == 0);
	for (uint32_t bits = SLOW_BITS; bits <= FAST_BITS; bits += FAST_BITS - SLOW_BITS)
		for (uint64_t pages = 1; pages < UINT32_MAX; pages += 1 + pages / 1000) {
			uint16_t code = record_code((uint32_t)pages, bits);

			CHECK(code >= 2 && code <= 1 + (32u << bits));
			CHECK(is_about(record_pages(code, bits), (uint32_t)pages, bits));
		}
	CHECK(record_pages(UINT16_MAX, FAST_BITS) == 0);
	CHECK_DONE();
}
