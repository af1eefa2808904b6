// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/util.h"
#include "workload/cgroup_tree.h"
#include "workload/workload.h"

#define HOST_ROOT_ID 1
/* Events report all; a walk finds out, should one of them ever have been lost. */
#define RECONCILE_NS 600000000000ULL
#define MISS_NS	     10000000000ULL /* between walks for ids that no event reported */
#define LOST_NS	     1000000000ULL  /* between walks for events that were lost */

struct cgroups {
	char *root_path;
	int root; /* its directory */
	uint64_t root_id;
	const struct cgroup_names *names;
	struct delegates *delegates;
	struct cgroup_tree tree;
	char path[PATH_MAX]; /* the one that was asked for last */
	bool events;	     /* the programs that report are attached */
	bool exact; /* the tree is what the kernel has, but for events not yet read */
	uint64_t names_read, gone_read; /* events so far */
	uint64_t walk_ns;		/* when it was walked last */
	uint64_t walks;
	bool walked;	 /* since the latest cgroups_refresh() */
	uint64_t *first; /* ids of the first walk, sorted */
	size_t first_count;
	void (*on_new)(void *arg, const char *path);
	void *on_new_arg;
};

static bool is_whole(const struct cgroups *g)
{
	return g->root_id == HOST_ROOT_ID;
}

/* Copies event n; 1: not yet complete, -ESTALE: a later one has its entry. */
static int read_name(const struct cgroups *g, uint64_t n, struct cgroup_name *out)
{
	const struct cgroup_name *from = &g->names->ring[n % NAME_RING];
	uint64_t want = 2 * (n / NAME_RING + 1);
	uint64_t seq = __atomic_load_n(&from->seq, __ATOMIC_ACQUIRE);

	if (seq < want)
		return 1;
	memcpy(out, from, sizeof(*out));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	out->path[sizeof(out->path) - 1] = '\0';
	if (seq > want || __atomic_load_n(&from->seq, __ATOMIC_RELAXED) != want)
		return -ESTALE;
	return 0;
}

/*
 * A new cgroup: its path is whole, or a name below the parent's. In a cgroup namespace
 * the kernel's whole paths are not those of the tree that we see, and who has no known
 * parent is outside of it.
 */
static int add_named(struct cgroups *g, const struct cgroup_name *n)
{
	const char *base = strrchr(n->path, '/');

	if (n->path[0] == '/' && is_whole(g))
		return cgroup_tree_add(&g->tree, n->id, n->path);
	return cgroup_tree_add_below(&g->tree, n->id, n->parent,
				     base ? base + 1 : n->path);
}

static void report_new(struct cgroups *g, uint64_t id)
{
	const struct cgroup_entry *e =
	    g->on_new ? cgroup_tree_find(&g->tree, id) : NULL;
	const char *path = e ? cgroup_tree_path(&g->tree, e, g->path) : NULL;

	if (path)
		g->on_new(g->on_new_arg, path);
}

static int read_names(struct cgroups *g)
{
	uint64_t head = __atomic_load_n(&g->names->head, __ATOMIC_ACQUIRE);
	struct cgroup_name n;
	int err = 0;

	if (head - g->names_read > NAME_RING) {
		g->exact = false;
		g->names_read = head - NAME_RING;
	}
	for (; g->names_read < head && !err; g->names_read++) {
		int got = read_name(g, g->names_read, &n);

		if (got > 0)
			break;
		if (got < 0)
			g->exact = false;
		else
			err = add_named(g, &n);
		if (!got && !err)
			report_new(g, n.id);
	}
	return err;
}

/* Whose removal was reported, up to the event `head`. */
static void read_gone(struct cgroups *g, uint64_t head)
{
	if (head - g->gone_read > GONE_RING) {
		g->exact = false;
		g->gone_read = head - GONE_RING;
	}
	for (; g->gone_read < head; g->gone_read++) {
		const __u64 *from = &g->names->gone[g->gone_read % GONE_RING];
		uint64_t id = __atomic_load_n(from, __ATOMIC_ACQUIRE);
		struct cgroup_entry *e;

		/* its entry may be written before the number grows */
		if (__atomic_load_n(&g->names->gone_head, __ATOMIC_RELAXED) -
			g->gone_read >=
		    GONE_RING) {
			g->exact = false;
			continue;
		}
		e = cgroup_tree_find(&g->tree, id);
		if (e)
			cgroup_tree_remove(&g->tree, e);
	}
}

/* Whoever was removed was made before: so removals are looked at first, and read last.
 */
static int read_events(struct cgroups *g)
{
	uint64_t gone;
	int err;

	if (!g->names)
		return 0;
	gone = __atomic_load_n(&g->names->gone_head, __ATOMIC_ACQUIRE);
	err = read_names(g);
	if (!err)
		read_gone(g, gone);
	return err;
}

/* Makes the tree what it is now. What events reported meanwhile is read next. */
static int walk(struct cgroups *g)
{
	struct cgroup_tree now = { 0 };
	int err;

	g->walked = true;
	g->walks++;
	g->walk_ns = now_mono_ns();
	g->exact = g->events; /* no longer, if an event is lost from here on */
	err = cgroup_tree_read(&now, g->root, g->delegates);
	if (!err)
		err = cgroup_tree_inherit(&now, &g->tree, g->root);
	if (!err) {
		g->tree = now;
		return read_events(g);
	}
	g->exact = false;
	cgroup_tree_fini(&now);
	return err;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Keeps the ids of what is there now. */
static int remember(struct cgroups *g)
{
	int err = walk(g);

	if (err)
		return err;
	g->first = calloc(g->tree.count + 1, sizeof(*g->first));
	if (!g->first)
		return -ENOMEM;
	for (size_t i = 0; i < g->tree.count; i++)
		g->first[i] = g->tree.entries[i].id;
	g->first_count = g->tree.count;
	qsort(g->first, g->tree.count, sizeof(*g->first), compare_ids);
	return 0;
}

int cgroups_open(const char *root, const struct cells *c, struct cgroups **out)
{
	struct cgroups *g = calloc(1, sizeof(*g));
	struct stat st;
	int err;

	if (!g)
		return -ENOMEM;
	g->names = c->names;
	g->delegates = c->delegates;
	g->root_path = strdup(root);
	g->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!g->root_path)
		err = -ENOMEM;
	else if (g->root < 0 || fstat(g->root, &st))
		err = -errno;
	else
		err = 0;
	if (!err) {
		g->root_id = st.st_ino;
		err = remember(g);
	}
	if (err) {
		cgroups_close(g);
		return err;
	}
	*out = g;
	return 0;
}

void cgroups_on_new(struct cgroups *g, void (*fn)(void *arg, const char *path),
		    void *arg)
{
	g->on_new = fn;
	g->on_new_arg = arg;
}

void cgroups_events(struct cgroups *g, bool attached)
{
	g->events = attached;
	g->exact = false;
	g->walk_ns = 0;
}

/* May the tree be walked for an id that no event reported? */
static bool may_walk(const struct cgroups *g)
{
	if (g->walked)
		return false;
	return !g->exact || now_mono_ns() - g->walk_ns > MISS_NS;
}

/* An id that no event reported: it is searched for in one walk that begins after this.
 */
static struct cgroup_entry *note_asked(struct cgroups *g, uint64_t id)
{
	struct cgroup_entry *e;

	if (cgroup_tree_add(&g->tree, id, NULL))
		return NULL;
	e = cgroup_tree_find(&g->tree, id);
	e->asked = g->walks;
	return e;
}

/* It has no name so far: is it still to be searched for? */
static bool is_open(const struct cgroups *g, const struct cgroup_entry *e)
{
	return e && !e->name && e->asked == g->walks;
}

const char *cgroups_path(struct cgroups *g, uint64_t id)
{
	struct cgroup_entry *e;

	if (id == OWNER_ROOT)
		return is_whole(g) ? "/" : NULL;
	e = cgroup_tree_find(&g->tree, id);
	if ((!e || is_open(g, e)) && !read_events(g))
		e = cgroup_tree_find(&g->tree, id) ?: note_asked(g, id);
	if (is_open(g, e) && may_walk(g)) {
		walk(g);
		e = cgroup_tree_find(&g->tree, id);
	}
	if (e && !e->name && e->asked && !is_open(g, e) && is_whole(g) &&
	    !g->tree.closed)
		cgroup_tree_remove(&g->tree, e); /* the host's tree has no such one */
	return e ? cgroup_tree_path(&g->tree, e, g->path) : NULL;
}

void cgroups_listen(struct cgroups *g)
{
	int err = read_events(g);

	if (err)
		log_warn(err, "names of new cgroups");
}

void cgroups_refresh(struct cgroups *g)
{
	uint64_t age = now_mono_ns() - g->walk_ns;
	int err = cgroup_tree_turn(&g->tree);

	g->walked = false;
	if (!err)
		err = read_events(g);
	if (!err && g->events && age > (g->exact ? RECONCILE_NS : LOST_NS))
		err = walk(g);
	if (err)
		log_warn(err, "the tree of cgroups");
}

bool cgroups_was_there(const struct cgroups *g, uint64_t id)
{
	return id == OWNER_ROOT || bsearch(&id, g->first, g->first_count,
					   sizeof(*g->first), compare_ids) != NULL;
}

size_t cgroups_first_count(const struct cgroups *g)
{
	return g->first_count;
}

uint64_t cgroups_first(const struct cgroups *g, size_t i)
{
	return g->first[i];
}

const char *cgroups_root(const struct cgroups *g)
{
	return g->root_path;
}

uint64_t cgroups_walks(const struct cgroups *g)
{
	return g->walks;
}

size_t cgroups_known(const struct cgroups *g)
{
	return g->tree.count;
}

bool cgroups_exists(const struct cgroups *g, const char *path, uint64_t id)
{
	const struct cgroup_entry *e = cgroup_tree_find(&g->tree, id);
	struct stat st;

	if (id == OWNER_ROOT)
		return true;
	if (e && e->gone_turn)
		return false;
	if (!path || (e && g->exact))
		return true;
	if (fstatat(g->root, path[1] ? path + 1 : ".", &st, 0))
		return errno == EACCES; /* closed to us, not gone */
	return st.st_ino == id;
}

void cgroups_close(struct cgroups *g)
{
	if (!g)
		return;
	cgroup_tree_fini(&g->tree);
	free(g->first);
	free(g->root_path);
	if (g->root >= 0)
		close(g->root);
	free(g);
}
