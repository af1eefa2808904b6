// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "cmd/flaw_history.h"

#define SECOND_NS 1000000000ULL
#define MINUTE_NS (60 * SECOND_NS)
#define HOUR_NS	  (60 * MINUTE_NS)
#define READ_NS	  (10 * SECOND_NS)
#define HOURS	  6 /* so far back: each takes as long as a baseline */
/* What is over for longer is not what is looked at; a reading may be so late. */
#define OVER_NS (2 * MINUTE_NS)

struct search {
	const struct flaw *flaw;
	struct flaw_walk walk;
	uint64_t first_shown_ns; /* the first step that shows it */
};

static int take_step(void *arg, const struct frame *f, const struct history_span *got)
{
	struct search *s = arg;
	bool shows =
	    f && flaw_shows(s->flaw, f, (double)got->covered_ns / (double)SECOND_NS);

	flaw_walk_step(&s->walk, shows, got->since_ns, got->until_ns);
	if (shows && !s->first_shown_ns)
		s->first_shown_ns = got->since_ns;
	return 0;
}

/* Looks through a piece of the history; what is not kept shows nothing. */
static struct search look_through(struct history_reader *r, const struct flaw *flaw,
				  uint64_t since_ns, uint64_t until_ns,
				  uint64_t step_ns)
{
	struct history_span span = { .since_ns = since_ns, .until_ns = until_ns };
	struct search s = { .flaw = flaw };
	char cause[256];

	if (since_ns < until_ns)
		history_reader_each(r, &span, step_ns, take_step, &s, cause,
				    sizeof(cause));
	return s;
}

/* The hour before `end_ns`, and what is behind it up to `until_ns`, by minutes. */
static struct search look_hour(struct history_reader *r, const struct flaw *flaw,
			       uint64_t end_ns, uint64_t until_ns)
{
	return look_through(r, flaw, end_ns > HOUR_NS ? end_ns - HOUR_NS : 0, until_ns,
			    MINUTE_NS);
}

/*
 * Back from the end, an hour at a time, as long as it shows in each minute: most began
 * not long ago. Then the minute that it began in is looked at again.
 */
static bool search_back(struct history_reader *r, const struct flaw *flaw,
			const struct history_span *time, struct flaw_since *out)
{
	struct history_span kept;
	struct search s;

	if (history_reader_range(r, &kept))
		return false;
	s = look_hour(r, flaw, time->until_ns, time->until_ns + READ_NS);
	if (!s.walk.seen ||
	    (!s.walk.shows && s.walk.since_ns + OVER_NS < time->since_ns))
		return false;
	out->ns = s.walk.since_ns;
	for (int hour = 1; out->ns <= s.walk.first_ns && out->ns > kept.since_ns;
	     hour++) {
		out->earlier = hour == HOURS;
		if (out->earlier)
			return true;
		s = look_hour(r, flaw, out->ns, out->ns);
		if (!s.walk.shows)
			break;
		out->ns = s.walk.since_ns;
	}
	s = look_through(r, flaw, out->ns, out->ns + MINUTE_NS, SECOND_NS);
	if (s.first_shown_ns)
		out->ns = s.first_shown_ns;
	out->earlier = out->ns <= kept.since_ns;
	return true;
}

static bool find(const struct flaw_history *h, const struct flaw *flaw,
		 struct flaw_since *out)
{
	struct history_reader *r;
	char cause[256];
	bool known;

	if (span_history(h->o, &r, cause, sizeof(cause)))
		return false;
	history_reader_only(r, flaw_metrics);
	known = search_back(r, flaw, &h->time, out);
	history_reader_close(r);
	return known;
}

/* Where it is kept, or is to be. */
static size_t place_of(const struct flaw_history *h, const struct flaw *flaw)
{
	const char *reason = flaw->reason ? flaw->reason : "";
	size_t i;

	for (i = 0; i < h->count; i++)
		if (h->list[i].kind == flaw->kind &&
		    !strcmp(h->list[i].probe, flaw->probe) &&
		    !strcmp(h->list[i].reason, reason))
			break;
	return i;
}

bool flaw_history_since(void *arg, const struct flaw *flaw, struct flaw_since *out)
{
	struct flaw_history *h = arg;
	size_t i = place_of(h, flaw);

	*out = (struct flaw_since){ 0 };
	if (i == FLAWS_KEPT)
		return find(h, flaw, out);
	if (i == h->count) {
		h->list[i].kind = flaw->kind;
		snprintf(h->list[i].probe, sizeof(h->list[i].probe), "%s", flaw->probe);
		snprintf(h->list[i].reason, sizeof(h->list[i].reason), "%s",
			 flaw->reason ? flaw->reason : "");
		h->list[i].known = find(h, flaw, &h->list[i].since);
		h->count++;
	}
	*out = h->list[i].since;
	return h->list[i].known;
}
