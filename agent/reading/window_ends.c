// SPDX-License-Identifier: Apache-2.0
/* What the agent tells of windows: they begin, open and end, with a reading each. */
#include "reading/snapshot_impl.h"

/* All that was written down is of before, also on CPUs that are to be quiet: hooks that
 * come and go have interrupted them anyway. */
static int read_all(struct snapshot *s)
{
	bool disturbs = s->disturbs;
	int err;

	s->disturbs = true;
	err = snapshot_read(s);
	s->disturbs = disturbs;
	return err;
}

int snapshot_windows_begin(struct snapshot *s, size_t probe, uint64_t since_ns)
{
	int err = read_all(s);

	s->windows[probe].since_ns = since_ns;
	return err;
}

void snapshot_window_opens(struct snapshot *s, size_t probe)
{
	s->windows[probe].use = WINDOW_OPEN;
}

int snapshot_window_ends(struct snapshot *s, size_t probe, const struct window_span *w,
			 uint64_t now_ns, bool last)
{
	int err;

	s->windows[probe] = (struct window){ WINDOW_ENDS, *w, last ? 0 : now_ns };
	err = read_all(s);
	s->windows[probe].use = WINDOW_READ;
	return err;
}

void snapshot_windows_over(struct snapshot *s, size_t probe)
{
	s->windows[probe] = (struct window){ .use = WINDOW_READ };
}
