/* SPDX-License-Identifier: Apache-2.0 */
/* How the history is: counted by sink/history.c, shown by self_history.c. */
#ifndef HISTORY_STATS_H
#define HISTORY_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct history_stats {
	bool is_kept;	    /* the latest reading is in the file */
	uint64_t kept;	    /* readings, since the start */
	uint64_t lost;	    /* could not be made or written */
	uint64_t late;	    /* were added to the next one, as the writer was behind */
	uint64_t bytes;	    /* of the file and what belongs to it */
	uint64_t limit;	    /* the most that it may have */
	uint64_t oldest_ns; /* from when on something is kept, wall clock; 0: nothing */
	char why[256];	    /* is_kept is false: one line; "": no reading came yet */
};

#endif
