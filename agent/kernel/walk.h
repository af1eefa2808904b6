/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs BPF iterators, from whose reading a thread may not come back for long: an
 * iterator over files holds each of them for a moment, and if its owner ends in that
 * moment, the file is closed by us. Closing can wait for as long as a socket lingers,
 * and any user can make that an hour. So iterators are read by a thread of their own, a
 * signal ends its wait, and nobody waits for the thread longer than WALK_WAIT_MS.
 */
#ifndef WALK_H
#define WALK_H

#define WALK_WAIT_MS 1000

/*
 * Reads an iterator that holds no files to its end in this thread, however long that
 * takes, and closes it. Returns 0 or -errno.
 */
int walk_read(int iter_fd);
/*
 * Reads an iterator to its end, and closes it in any case. Returns 0, -errno of the
 * reading, -ETIMEDOUT if it did not come to its end in time, or -EBUSY at once while an
 * earlier one has not. For one thread.
 */
int walk_run(int iter_fd);
/*
 * Ends the wait of a walk that was given up, if there is one: so that it comes to its
 * end though nobody asks for another. Call it now and then, from the same thread.
 */
void walk_nudge(void);

#endif
