/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent gives up once it measures, and before it looks at anything that others
 * have written: its capabilities, and the system calls that it has no use for.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

struct options;
struct measure;

/*
 * After measure_begin(). Says in the log what is kept, and what will not work any more.
 * What cannot be given up is no failure. --keep-privileges: does nothing but say so.
 */
void sandbox_enter(const struct options *o, struct measure *m);
/* Says which system calls were refused since the last time: each once. */
void sandbox_tell(void);

#endif
