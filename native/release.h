/* SPDX-License-Identifier: MIT */
/* The role "release". */
#ifndef RPV_RELEASE_H
#define RPV_RELEASE_H

/* Does it for the ledgers below each of run_bases (NULL-terminated), prints a line for each group. An exit
 * code: 0; 70: something failed; 75: something was left alone. */
int release_run(int all, int force, char **run_bases);

#endif
