/* SPDX-License-Identifier: MIT */
/*
 * Patterns of names and paths, as in the config file (src/config/pattern.ts says the same of groups' paths, and a fuzz
 * compares the two). "*" stands for any characters of one level, "?" for one, a level "**" for any number of levels, at
 * the end for one at least, all else for itself. Pure, in constant space; the text is hostile.
 */
#ifndef RPV_GLOB_H
#define RPV_GLOB_H

/* Both terminated. */
int glob_matches(const char *pattern, const char *text);

#endif
