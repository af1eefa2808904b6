// SPDX-License-Identifier: Apache-2.0
/* Containers that somebody wants to know of, and when the kubelet is asked for each. */
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "base/util.h"
#include "workload/kubelet_impl.h"

#define SECOND 1000000000ULL

/* After how long one that is wanted is asked for again. */
static const uint64_t tries_ns[] = { 0,		  2 * SECOND,  5 * SECOND,
				     10 * SECOND, 30 * SECOND, 60 * SECOND };

/*
 * Once the kubelet tells an id of each container of a pod, it tells no more of that:
 * who is none of them is the pod's sandbox, of which it never tells; or, for some
 * seconds, a container that was just started again. One look later decides.
 */
#define WHOLE_TRY 3

/* A container of which nothing but its pod is wanted ("") is told with that. */
static bool is_told(const struct wanted *w, enum pods_known known)
{
	return known == PODS_CONTAINER || (known != PODS_NOTHING && !*w->container);
}

/* By which most of the others are passed over. */
static uint64_t key_of(const char *container, const char *uid)
{
	return text_key(*container ? container : uid);
}

static const struct wanted *find(const struct kubelet_wanted *all,
				 const char *container, const char *uid)
{
	uint64_t key = key_of(container, uid);

	for (size_t i = 0; i < WANTED; i++) {
		const struct wanted *w = &all->entries[i];

		if (all->keys[i] == key && w->first_ns &&
		    !strcmp(w->container, container) && !strcmp(w->uid, uid))
			return w;
	}
	return NULL;
}

bool kubelet_wanted_add(struct kubelet_wanted *all, const struct pods *pods,
			const char *container, const char *uid, bool named,
			uint64_t now_ns)
{
	struct wanted new = { .first_ns = now_ns, .named = named };

	if (find(all, container, uid))
		return false;
	snprintf(new.container, sizeof(new.container), "%s", container);
	snprintf(new.uid, sizeof(new.uid), "%s", uid);
	if (pods && is_told(&new, pods_knows(pods, container, uid)))
		return false;
	all->entries[all->next] = new;
	all->keys[all->next] = key_of(container, uid);
	all->next = (all->next + 1) % WANTED;
	return true;
}

/* By an answer to a request of that time: is there nothing more to wait for? */
static bool is_over(struct wanted *w, enum pods_known known, uint64_t asked_ns)
{
	if (is_told(w, known))
		return true;
	while (w->tries < COUNT(tries_ns) &&
	       w->first_ns + tries_ns[w->tries] <= asked_ns)
		w->tries++;
	if (known != PODS_WHOLE)
		return w->tries == COUNT(tries_ns);
	if (w->tries > WHOLE_TRY)
		return true;
	w->tries = WHOLE_TRY;
	return false;
}

void kubelet_wanted_told(struct kubelet_wanted *all, const struct pods *pods,
			 uint64_t asked_ns, struct kubelet_clock *clock)
{
	for (size_t i = 0; i < WANTED; i++) {
		struct wanted *w = &all->entries[i];

		if (!w->first_ns)
			continue;
		if (asked_ns &&
		    is_over(w, pods_knows(pods, w->container, w->uid), asked_ns))
			w->first_ns = 0;
		else
			kubelet_clock_want(clock, w->first_ns + tries_ns[w->tries],
					   w->named);
	}
}
