/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measuring, from the probes to the bytes: what the agent does, and what a command does
 * by itself when no agent runs.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options;
struct measure;
struct export_stats;
struct history_stats;
struct otlp_batch;
struct otlp_encoder;
struct status;

/*
 * Plans the memory, and loads the probes that the options name: nothing is measured
 * yet. A probe that cannot be had is no failure. On failure returns -errno with one
 * line in cause.
 */
int measure_open(const struct options *o, struct measure **out, char *cause,
		 size_t len);
/*
 * Begins to measure, once: reads the cgroup tree and attaches what is loaded. The same
 * returns; after a failure only measure_close() is left.
 */
int measure_begin(struct measure *m, char *cause, size_t len);
/*
 * Begins to ask the kubelet, if the options say so: a thread, with the privileges that
 * this one has now. What fails is said in the log.
 */
void measure_ask_kubelet(struct measure *m);
/*
 * Does a bit of each kind of thing that measuring asks of the kernel from then on, to
 * see whether it is allowed to (privileges_drop()). arg: struct measure. 0 or -errno.
 */
int measure_try(void *arg);
/*
 * No reading interrupts these CPUs while anything runs there, but the last one, or when
 * slots are needed; what is the option --quiet-cpus. After measure_open(). Whether
 * there are some.
 */
bool measure_keep_quiet(struct measure *m, const char *cpus);
/*
 * Looks whether links can be made with the privileges that are left, which decides how
 * a probe is switched off; if not, the log says so.
 */
void measure_see_links(struct measure *m);
/* Reads the cells. This and all that follows: after measure_begin(). */
int measure_update(struct measure *m);
/*
 * A reading is asked for, at since_ns (monotonic clock, not later than now): is what it
 * needs there? Passes over tasks and descriptors that began since then have to come to
 * their end, by calls of measure_advance(); but after a second it does without those
 * that have not (assay.lost tells), and shows what the passes before them found, for a
 * while (snapshot_know_inflight). Ask again until it is.
 */
bool measure_ready(struct measure *m, uint64_t since_ns);
/*
 * Goes on with the passes that are asked for: holds the thread for one slice. Returns
 * for how many ms there is nothing more to do, unless measure_pass_fd() becomes
 * readable.
 */
int measure_advance(struct measure *m);
/* -1: nothing to wait for. */
int measure_pass_fd(void);
/*
 * Readable: there is a new cgroup that may be a container's, which is the moment for
 * measure_look_up(). -1: nobody tells.
 */
int measure_wake_fd(const struct measure *m);
/* Reads what happened to cgroups, and looks up the files of containers that are new. */
void measure_look_up(struct measure *m);
/* Waits until measure_ready(): for who has nothing else to do. */
void measure_wait(struct measure *m, uint64_t since_ns);
/*
 * Reads the cells for an export that measure_ready() was asked for: what is gone by now
 * is in it with its last values. last: no export follows.
 */
int measure_collect_last(struct measure *m, uint64_t since_ns, bool last);
/*
 * Keeps the number of workloads bounded when exports do not arrive. Call it before
 * measure_encode() while none is under way.
 */
void measure_make_room(struct measure *m);
/*
 * Encodes all points as of the latest collection, of which an export is made: it gets a
 * number. ends: all as the end of their series. Ends the encoder; its take() may call
 * measure_accepted(). -errno.
 */
int measure_encode(struct measure *m, const struct export_stats *stats, bool ends,
		   struct otlp_encoder *e);
/* These bytes of an export have arrived; NULL: nobody takes exports. */
void measure_accepted(struct measure *m, const struct otlp_batch *b);
/*
 * Reads the cells now and encodes everything as one OTLP request; free the bytes. stats
 * may be NULL. -EAGAIN: measure_ready() says no.
 */
int measure_read(struct measure *m, uint64_t since_ns, const struct export_stats *stats,
		 uint8_t **bytes, size_t *len);
/* What came since the latest one, for the history. Times are of the wall clock. */
struct measure_since {
	/* Gets the batch of differences, a piece after the other. 0 or -errno. */
	int (*take)(void *arg, const uint8_t *bytes, size_t len);
	void *arg;
	/* what is found */
	uint64_t since_ns, until_ns;
	bool whole; /* with the workloads that have nothing new */
};

/*
 * Makes one of the latest reading of the cells. -EAGAIN: there was none since then;
 * -ENOMEM: what is missing may be lost.
 */
int measure_since(struct measure *m, const struct export_stats *stats,
		  struct measure_since *s);
/*
 * Changes parameters of a probe, or only tells them (tune.h): text, to be freed.
 * Returns 0 or -errno with one line in cause.
 */
int measure_tune(struct measure *m, const char *words, char **text, size_t *text_len,
		 char *cause, size_t len);
/* Once in an export interval, after an export: forgets what is over and arrived. */
void measure_drop(struct measure *m);
/*
 * Reads, and frees slots, when so many cgroups come and go that it cannot wait for the
 * next snapshot. Cheap when that is not so: to be called a few times a second.
 */
int measure_relieve(struct measure *m);
/*
 * Has what probes cost measured, and kept below --budget: to be called before
 * measure_begin(). 0 or -errno.
 */
int measure_govern_open(struct measure *m, const char *budget);
/*
 * To be called at each turn of the loop, and after what changes links. Once a second it
 * looks at what probes cost and does what has to be done.
 */
void measure_govern(struct measure *m);
/*
 * There is a history, and it will have a reading within a minute: until then whoever is
 * gone stays, so that it has the last of it.
 */
void measure_await_history(struct measure *m);
/* How the history is, for the agent's own metrics; copied. */
void measure_note_history(struct measure *m, const struct history_stats *h);
/* What the node is called; until measure_close(). */
const char *measure_host_name(const struct measure *m);
/* How many probes are attached, and how many were asked for. */
unsigned int measure_attached(const struct measure *m, unsigned int *wanted);
/*
 * Fills in what there is to say of probes, readings, losses and memory at `now`
 * (monotonic clock), before measure_begin(), too. Cheap: no cell is read.
 */
void measure_status(struct measure *m, uint64_t now, struct status *s);
void measure_close(struct measure *m);

#endif
