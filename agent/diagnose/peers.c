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

static void say_text(struct peer_share *p, const char *what, const char *to, double s)
{
	char time[UNITS_LEN];
	int n;

	span_text(time, s);
	if (p->stands_out) {
		snprintf(p->text, sizeof(p->text),
			 "%.0f %% of the %s %s %s (%.0f of %.0f in %s)",
			 p->count / p->all * 100, what, to, p->top, p->count, p->all,
			 time);
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
	snprintf(p->text + n, sizeof(p->text) - n,
		 ": no more than %.0f %% %s %s (%.0f of %.0f in %s)",
		 p->count / p->all * 100, to, p->top, p->count, p->all, time);
}

const char *peers_tell(const struct look *l, struct finding *f, const char *metric,
		       const char *event, const char *what, const char *to)
{
	struct peer_share *p = &f->peers;
	struct evidence *e;

	if (!peers_rank(l->now, metric, event, p))
		return NULL;
	say_text(p, what, to, l->now->duration_s);
	e = see_own(f, IN_CONNECT_ERRORS, "of that with the peer", "{event}", p->count,
		    UNBOUND);
	e->metric = metric;
	e->stat = "count";
	e->key = "assay.peer.event";
	e->value = event;
	e->key2 = "assay.peer";
	e->value2 = p->peers ? p->top : PEER_OTHER;
	name_evidence(e, e->value2);
	return p->stands_out ? p->top : NULL;
}
