/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs BPF iterators, slice by slice (bpf/inflight.bpf.h): a thread that reads one
 * comes back after each.
 *
 * From an iterator over files it may not come back for long: such a one holds each file
 * for a moment, and if its owner ends in that moment, the file is closed by us. Closing
 * can wait for as long as a socket lingers, and any user can make that an hour. So they
 * are read by a thread of their own, a signal ends its wait, and nobody waits for the
 * thread longer than WALK_WAIT_MS.
 */
#ifndef WALK_H
#define WALK_H

#define WALK_WAIT_MS  1000
#define WALK_NUDGE_MS 20

/*
 * Reads a slice of an iterator that holds no files. 1: more is to come, 0: that was the
 * last, or -errno. The descriptor stays open.
 */
int walk_slice(int iter_fd);
/*
 * Reads an iterator that holds no files to its end in this thread, however long that
 * takes, and closes it. Returns 0 or -errno.
 */
int walk_read(int iter_fd);
/*
 * Has the thread for files read an iterator to its end, and close it in any case.
 * Returns 0, or -errno: -EBUSY while it reads another. This and what follows: for one
 * thread.
 */
int walk_start(int iter_fd);
/* What came of the latest that was started: 0, -errno, or -EINPROGRESS. Never waits. */
int walk_poll(void);
/* Becomes readable when walk_poll() has news; -1: nothing is under way. */
int walk_fd(void);
/*
 * Ends the wait of the thread for files, if it has one. Call it every WALK_NUDGE_MS
 * while somebody waits, and now and then when nobody does, so that it comes to its end.
 */
void walk_nudge(void);
/*
 * Reads an iterator to its end in that thread, and closes it in any case. Returns 0,
 * -errno of the reading, -ETIMEDOUT if it did not come to its end in time, or -EBUSY at
 * once while an earlier one has not.
 */
int walk_run(int iter_fd);
/*
 * Runs a program for an iterator once: walk is walk_read() or, if it is over files,
 * walk_run(), whose result it returns; or -errno.
 */
int walk_program(int program, int (*walk)(int iter_fd));

#endif
