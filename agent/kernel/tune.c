// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "base/options.h"
#include "base/util.h"
#include "kernel/tune.h"

#define MS	      1000000ULL
#define HOUR_MS	      3600000ULL
#define SAMPLE_MAX    1024
#define WINDOW_MAX_MS 10000

static int read_enabled(const char *s, struct tune_change *c)
{
	if (strcmp(s, "true") && strcmp(s, "false"))
		return -EINVAL;
	c->enabled = s[0] == 't';
	return 0;
}

static int read_sample(const char *s, struct tune_change *c)
{
	for (c->sample_log2 = 0; 1U << c->sample_log2 <= SAMPLE_MAX; c->sample_log2++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", 1U << c->sample_log2);
		if (!strcmp(s, text))
			return 0;
	}
	return -EINVAL;
}

static int read_time(const char *s, uint64_t *ns)
{
	int err = options_duration(s, 1, HOUR_MS, ns);

	*ns *= MS;
	return err;
}

static int read_inflight(const char *s, struct tune_change *c)
{
	return read_time(s, &c->inflight_ns);
}

static int read_timeout(const char *s, struct tune_change *c)
{
	return read_time(s, &c->timeout_ns);
}

static int read_duty(const char *s, struct tune_change *c)
{
	for (c->one_in = 1; c->one_in <= PROBE_ONE_IN_MAX; c->one_in *= 2) {
		char text[16];

		snprintf(text, sizeof(text), c->one_in > 1 ? "1/%u" : "%u", c->one_in);
		if (!strcmp(s, text))
			return 0;
	}
	return -EINVAL;
}

static int read_window(const char *s, struct tune_change *c)
{
	int err = options_duration(s, 10, WINDOW_MAX_MS, &c->window_ns);

	c->window_ns *= MS;
	return err;
}

static void print_enabled(FILE *f, const struct tune *t, const struct probe *p)
{
	fputs(t->enabled ? "true" : "false", f);
}

static void print_sample(FILE *f, const struct tune *t, const struct probe *p)
{
	fprintf(f, "%u", 1U << t->sample_log2);
}

static void print_inflight(FILE *f, const struct tune *t, const struct probe *p)
{
	options_print_duration(f, t->inflight_ns / MS);
}

static void print_timeout(FILE *f, const struct tune *t, const struct probe *p)
{
	options_print_duration(f, t->timeout_ns / MS);
}

static void print_duty(FILE *f, const struct tune *t, const struct probe *p)
{
	fprintf(f, p->one_in > 1 ? "1/%u" : "1", p->one_in);
}

static void print_window(FILE *f, const struct tune *t, const struct probe *p)
{
	options_print_duration(f, probe_window_ns(p) / MS);
}

/* All parameters, in the order in which it is shown. */
static const struct key {
	const char *name;
	enum tune_key bit;
	const char *allowed; /* the end of "must be ..." */
	int (*read)(const char *s, struct tune_change *c);
	void (*print)(FILE *f, const struct tune *t, const struct probe *p);
} keys[] = {
	{ "enabled", TUNE_ENABLED, "true or false", read_enabled, print_enabled },
	{ "sample", TUNE_SAMPLE, "a power of two, 1 to 1024", read_sample,
	  print_sample },
	{ "inflight", TUNE_INFLIGHT, "a time, 1ms to 1h", read_inflight,
	  print_inflight },
	{ "timeout", TUNE_TIMEOUT, "a time, 1ms to 1h", read_timeout, print_timeout },
	{ "duty", TUNE_DUTY, "1, 1/2, 1/4, 1/8, 1/16, 1/32 or 1/64", read_duty,
	  print_duty },
	{ "window", TUNE_WINDOW, "a time, 10ms to 10s", read_window, print_window },
};

static bool has_key(int probe, const struct key *k)
{
	return k->bit == TUNE_ENABLED || probe_descs[probe].tunes & k->bit;
}

/* What a user typed may hold anything; an error is one line all the same. */
static int refuse(char *cause)
{
	for (; *cause; cause++)
		if (iscntrl((unsigned char)*cause))
			*cause = '?';
	return -EINVAL;
}

static int find_probe(const char *s, size_t n, char *cause, size_t len)
{
	size_t at, probe = probe_named_so(s, n);

	if (probe < PROBE_COUNT)
		return (int)probe;
	at =
	    snprintf(cause, len, "'%.*s' is no probe: one of", n < 50 ? (int)n : 50, s);
	for (size_t i = 0; i < probe_desc_count && at < len; i++)
		at += snprintf(cause + at, len - at, "%s %s", i ? "," : "",
			       probe_descs[i].name);
	return refuse(cause);
}

static int refuse_key(int probe, const char *word, char *cause, size_t len)
{
	size_t at = snprintf(cause, len, "'%.50s': %s takes KEY=VALUE, KEY one of",
			     word, probe_descs[probe].name);
	bool first = true;

	for (size_t i = 0; i < COUNT(keys) && at < len; i++) {
		if (!has_key(probe, &keys[i]))
			continue;
		at += snprintf(cause + at, len - at, "%s %s", first ? "" : ",",
			       keys[i].name);
		first = false;
	}
	return refuse(cause);
}

/* One word KEY=VALUE. */
static int parse_word(const char *word, struct tune_change *c, char *cause, size_t len)
{
	size_t n = strcspn(word, "=");
	const struct key *k = NULL;

	for (size_t i = 0; i < COUNT(keys); i++)
		if (strlen(keys[i].name) == n && !memcmp(keys[i].name, word, n) &&
		    word[n] && has_key(c->probe, &keys[i]))
			k = &keys[i];
	if (!k)
		return refuse_key(c->probe, word, cause, len);
	if (c->keys & k->bit) {
		snprintf(cause, len, "%s: given twice", k->name);
		return -EINVAL;
	}
	c->keys |= k->bit;
	if (!k->read(word + n + 1, c))
		return 0;
	snprintf(cause, len, "%s: '%.50s': must be %s", k->name, word + n + 1,
		 k->allowed);
	return refuse(cause);
}

/* What is off runs in no windows. */
static int check_change(const struct tune_change *c, char *cause, size_t len)
{
	if (!(c->keys & TUNE_ENABLED) || c->enabled || !(c->keys & TUNE_DUTY))
		return 0;
	snprintf(cause, len,
		 "duty: what is switched off runs in no windows: say only "
		 "one of enabled=false and duty");
	return -EINVAL;
}

int tune_parse(const char *words, struct tune_change *c, char *cause, size_t len)
{
	size_t n;

	*c = (struct tune_change){ .probe = TUNE_ALL };
	if (!words)
		return 0;
	n = strcspn(words, " ");
	c->probe = find_probe(words, n, cause, len);
	if (c->probe < 0)
		return -EINVAL;
	while (words[n]) {
		char word[64];
		int err;

		words += n + 1;
		n = strcspn(words, " ");
		snprintf(word, sizeof(word), "%.*s", n < 60 ? (int)n : 60, words);
		err = parse_word(word, c, cause, len);
		if (err)
			return err;
	}
	return check_change(c, cause, len);
}

uint32_t tune_number(struct tuner *t, const struct tunes *tunes, size_t probe)
{
	uint32_t *latest = &t->latest[probe];

	if (*latest < tunes->tune[probe].enabled)
		*latest = tunes->tune[probe].enabled;
	*latest += *latest == UINT32_MAX ? 2 : 1;
	return *latest;
}

static void switch_probe(struct tuner *t, size_t i, struct probe *p,
			 struct tunes *tunes, bool on)
{
	uint32_t *enabled = &tunes->tune[i].enabled;

	if (on == (*enabled != 0))
		return;
	/* when it is off the number is known no more: the next one has to be another */
	*enabled = tune_number(t, tunes, i);
	if (!on)
		*enabled = 0;
	tunes->window[i] = *enabled;
	p->state = on ? PROBE_ATTACHED : PROBE_OFF;
	snprintf(p->reason, sizeof(p->reason), "%s", on ? "" : TUNE_OFF_REASON);
}

int tune_apply(struct tuner *t, const struct tune_change *c, struct tunes *tunes,
	       struct probe *probes, char *cause, size_t len)
{
	struct tune *tune;
	struct probe *p;

	if (c->probe == TUNE_ALL || !c->keys)
		return 0;
	p = &probes[c->probe];
	tune = &tunes->tune[c->probe];
	if (p->state != PROBE_ATTACHED && p->state != PROBE_OFF) {
		snprintf(cause, len, "%s is not loaded: %s", probe_descs[c->probe].name,
			 p->state == PROBE_DISABLED
			     ? "start the agent with it in --probes"
			     : p->reason);
		return -ENODEV;
	}
	if (c->keys & TUNE_SAMPLE)
		tune->sample_log2 = c->sample_log2;
	if (c->keys & TUNE_INFLIGHT)
		tune->inflight_ns = c->inflight_ns;
	if (c->keys & TUNE_TIMEOUT)
		tune->timeout_ns = c->timeout_ns;
	if (c->keys & TUNE_WINDOW)
		p->window_ns = c->window_ns;
	if (c->keys & TUNE_ENABLED)
		switch_probe(t, c->probe, p, tunes, c->enabled);
	return 0;
}

static void print_one(FILE *f, int i, const struct tune *t, const struct probe *p)
{
	fprintf(f, "%-8s", probe_descs[i].name);
	if (p->state != PROBE_ATTACHED && p->state != PROBE_OFF) {
		fprintf(f, " %s\n", probe_state_name(p->state));
		return;
	}
	for (size_t k = 0; k < COUNT(keys); k++) {
		if (!has_key(i, &keys[k]))
			continue;
		fprintf(f, " %s=", keys[k].name);
		keys[k].print(f, t, p);
	}
	fputc('\n', f);
}

void tune_print(FILE *f, int probe, const struct tunes *tunes,
		const struct probe *probes)
{
	for (int i = 0; i < (int)probe_desc_count; i++)
		if (probe == TUNE_ALL || probe == i)
			print_one(f, i, &tunes->tune[i], &probes[i]);
}
