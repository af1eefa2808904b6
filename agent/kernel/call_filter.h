/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that the agent makes once it measures: a seccomp filter lets these
 * through. Every other one fails with ENOSYS, which libraries take for an older kernel
 * and do without; none ends the agent. It is counted and told of once.
 */
#ifndef CALL_FILTER_H
#define CALL_FILTER_H

/*
 * ASan and its leak checker make calls of their own, as a process that traces this one:
 * an agent that is built with them has no filter.
 */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define CALL_FILTER_SUITS 0
#else
#define CALL_FILTER_SUITS 1
#endif

/*
 * Puts the filter on all threads, for good. Returns how many system calls it lets
 * through or -errno: then there is none.
 */
int call_filter_install(void);

/*
 * The number of a system call that was refused and not told of yet, -1: there is none;
 * name: what it is called, NULL if this is not known. Free it.
 */
int call_filter_refused(char **name);

#endif
