// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "diagnose/peers.h"

#define PEER_OTHER "_OTHER"

bool peers_rank(const struct facts *f, const char *metric, const char *event,
		struct peer_share *out)
{
	*out = (struct peer_share){ 0 };
	for (size_t i = f->first; i < f->end; i++) {
		const struct frame_series *s = &f->frame->series[i];
		const char *what, *peer;
		double n;

		if (strcmp(s->name, metric) != 0)
			continue;
		what = frame_attr(&s->attrs, "assay.peer.event");
		peer = frame_attr(&s->attrs, "assay.peer");
		n = facts_series(s);
		if (!what || !peer || strcmp(what, event) != 0 || n <= 0)
			continue;
		out->all += n;
		if (!strcmp(peer, PEER_OTHER)) {
			out->more = true;
			continue;
		}
		out->peers++;
		if (n <= out->count)
			continue;
		out->count = n;
		snprintf(out->top, sizeof(out->top), "%s", peer);
	}
	out->stands_out = out->count > out->all / 2;
	return out->all > 0;
}

/* What waits is counted anew by each pass that finds it: only its share means anything.
 */
static bool is_counted_anew(const char *event)
{
	return !strcmp(event, "waited") || !strcmp(event, "connecting");
}

static void say_text(struct peer_share *p, const char *what, const char *to,
		     const char *of)
{
	int n;

	if (p->stands_out) {
		snprintf(p->text, sizeof(p->text), "%.0f %% of the %s %s %s%s",
			 p->count / p->all * 100, what, to, p->top, of);
		return;
	}
	if (!p->peers) {
		snprintf(p->text, sizeof(p->text),
			 "of the %s it is not known which peer they are of", what);
		return;
	}
	n = snprintf(p->text, sizeof(p->text), "the %s are spread over %s%zu peer%s",
		     what, p->more ? "more than " : "", p->peers,
		     p->peers > 1 ? "s" : "");
	snprintf(p->text + n, sizeof(p->text) - n, ": no more than %.0f %% %s %s%s",
		 p->count / p->all * 100, to, p->top, of);
}

const char *peers_tell(const struct look *l, struct finding *f, const char *metric,
		       const char *event, const char *what, const char *to)
{
	struct peer_share *p = &f->peers;
	struct evidence *e;
	char time[UNITS_LEN], of[UNITS_LEN + 48];
	bool anew = is_counted_anew(event);

	if (!peers_rank(l->now, metric, event, p))
		return NULL;
	p->anew = anew;
	snprintf(of, sizeof(of), " (%.0f of %.0f in %s)", p->count, p->all,
		 span_text(time, l->now->duration_s));
	say_text(p, what, to, anew ? "" : of);
	e = see_own(f, IN_CONNECT_ERRORS, "of that with the peer",
		    anew ? "1" : "{event}", anew ? p->count / p->all : p->count,
		    UNBOUND);
	e->metric = metric;
	e->stat = anew ? "derived" : "count";
	e->key = "assay.peer.event";
	e->value = event;
	e->key2 = "assay.peer";
	e->value2 = p->peers ? p->top : PEER_OTHER;
	name_evidence(e, e->value2);
	return p->stands_out ? p->top : NULL;
}
