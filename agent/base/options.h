/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options: one table (cmd/option_rows.c) gives defaults, limits, the environment,
 * the flags, --help and the manual's list. A later source wins: defaults, OTEL_*
 * (general, then the metrics' own), ASSAY_*, flags. An empty variable is unset, and
 * of an option's variables only the last of these is looked at.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum options_cmd {
	CMD_AGENT = 1,
	CMD_REPORT = 2,
	CMD_PROBES = 4,
	CMD_DOCTOR = 8,
	CMD_TUNE = 16,
	CMD_STATUS = 32,
	CMD_SNAPSHOT = 64,
	CMD_WHY = 128,
	CMD_HIST = 256,
	CMD_TREND = 512,
	CMD_LIST = 1 << 11,
	CMD_VERIFY = 1 << 12,
	CMD_BENCH = 1 << 13,
	CMD_DIFF = 1 << 14,
	CMD_ALL = (1 << 15) - 1,
	/* those that measure by themselves where no agent runs */
	CMD_MEASURES = CMD_AGENT | CMD_REPORT | CMD_WHY | CMD_PROBES | CMD_DOCTOR |
		       CMD_LIST | CMD_VERIFY | CMD_BENCH | CMD_HIST,
};

enum compression { COMPRESSION_GZIP, COMPRESSION_NONE };
enum series_choice { SERIES_BASIC, SERIES_ALL };
enum report_format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct option_table;

/* The values of an option that may be given several times. */
#define OPTION_LIST_MOST 16
struct option_list {
	const char *values[OPTION_LIST_MOST];
	size_t count;
	bool of_variable; /* flags take the place of what a variable says */
};

/* All strings are borrowed from argv, the environment or the table; NULL: not set. */
struct options {
	const struct option_table *table; /* borrowed */
	const char *socket;
	const char *export;	     /* URL, "file:PATH" or "none" */
	const char *export_protocol; /* http/protobuf, or what is not spoken */
	const char *export_headers;  /* k=v,k=v; values percent-encoded */
	uint64_t export_timeout_ms;
	uint64_t export_interval_ms;
	uint64_t export_culprits; /* of a workload, by name */
	int series;		  /* enum series_choice */
	uint64_t series_per_metric;
	int group_by;		       /* enum group_by */
	const char *include, *exclude; /* rules: workload/select.h; NULL: not given */
	uint64_t max_pods;	       /* 0: as the kubelet's file says */
	int export_compression;	       /* enum compression */
	const char *certificate;       /* PEM files */
	const char *client_certificate;
	const char *client_key;
	uint64_t snapshot_interval_ms;
	uint64_t memory;       /* bytes */
	uint64_t slots;	       /* a power of two */
	const char *probes;    /* names with commas between */
	const char *budget;    /* "1%" or "none": options_percent() */
	int log_level;	       /* enum log_level */
	const char *node_lock; /* a name or "none" */
	bool keep_privileges;
	const char *quiet_cpus;	 /* a list, "isolated" or "none" */
	const char *cgroup_root; /* NULL: find it in mountinfo */
	const char *host_root;	 /* NULL: not given; so are the next two */
	const char *host_id, *host_name;
	const char *kubelet;			/* URL of its pods, or "none" */
	const char *kubelet_token, *kubelet_ca; /* files */
	const char *kubelet_server_name;	/* NULL: the URL's host */
	bool kubelet_insecure;
	const char *resource_attributes; /* k=v,k=v; values percent-encoded */
	const char *service_name;
	const char *cluster_name, *node_name; /* NULL: not given */
	bool labels_as_service;
	const char *pod_labels,
	    *pod_annotations; /* keys with commas between, or NULL */
	bool identity_source;
	uint64_t duration_ms;
	int format; /* enum report_format */
	bool total, estimate;
	bool wide, watch;
	const char *sort; /* a column, NULL: what hurts */
	uint64_t limit;	  /* workloads; 0: as many as fit */
	struct option_list filters;
	uint64_t step_ms; /* 0: as the screen has room */
	bool kernel_stats;
	bool live, ready, started, strict;
	uint64_t timeout_ms;
	const char *history; /* a file or "none" */
	uint64_t history_size;
	const char *from, *at, *since, *until; /* NULL: not given */
	uint64_t last_ms;		       /* 0: not given */
	const char *baseline;		       /* NULL: not given */
	bool node;
	uint64_t given[2]; /* a bit for each option that is not as by default */
	char url[2048];	   /* export points here when it was made from a base URL */
};

enum option_type {
	OPTION_STRING,	   /* a row may have a check of its own */
	OPTION_LIST,	   /* the same, several times: struct option_list */
	OPTION_ATTRIBUTES, /* key=value,key=value: pairs.h */
	OPTION_HEADERS,	   /* the same; never printed, there may be secrets in it */
	OPTION_UINT,
	OPTION_DURATION, /* 500ms, 10s, 1m, 1h; OTEL_* in plain milliseconds */
	OPTION_SIZE,	 /* 64MiB */
	OPTION_BOOL,
	OPTION_ENUM,
};

#define OPTION_ENV 3

/* One row of the table. ASSAY_KEY, in upper case, is read for every option. */
struct option_desc {
	const char *key;   /* --key */
	const char *value; /* what --help calls the value; NULL for a bool */
	const char *def;   /* as a user would write it; NULL: not set */
	const char *help;
	const char *otel[OPTION_ENV]; /* general first: the later one wins */
	const char *const *choices;   /* OPTION_ENUM: stored as an index */
	/* OPTION_STRING, both or neither: 0 or -EINVAL; prints what is allowed, as the
	 * end of "must be ..." */
	int (*check)(const char *s);
	void (*allowed)(FILE *f);
	uint64_t min, max; /* numbers; in ms or bytes */
	size_t off;
	unsigned int mask;
	unsigned int flag_only; /* commands that its variables are not meant for */
	enum option_type type;
	bool pow2;
};

/* Least number of slots. */
#define SLOTS_MIN 64

struct option_table {
	const struct option_desc *rows;
	size_t count;
};

/* Sets every option of the table to its default. */
void options_init(struct options *o, const struct option_table *table);

/*
 * Sets the options of a command (a bit of enum options_cmd) from the environment.
 * Returns 0 or -EINVAL, with one line in cause that names variable and value and says
 * what is allowed.
 */
int options_env(struct options *o, unsigned int mask, char *cause, size_t len);

/*
 * Sets the options of a command from its arguments, argv[0] being the first of them.
 * Returns how many arguments were no options, moved to the front of argv with NULL
 * behind them, or -EINVAL with one line in cause.
 */
int options_args(struct options *o, unsigned int mask, int argc, char **argv,
		 char *cause, size_t len);

/* A time as options have it ("10ms") within limits: -EINVAL, -ERANGE; and back. */
int options_duration(const char *s, uint64_t min_ms, uint64_t max_ms, uint64_t *ms);
void options_print_duration(FILE *f, uint64_t ms);

/* A share as options have it ("0.5%"), 0.1 % to 100 %: -EINVAL. */
int options_percent(const char *s, double *share);

/* Whether an option was set, by a variable or a flag. */
bool options_is_given(const struct options *o, const char *key);

/* The name of an option's own variable: ASSAY_KEY in upper case. */
void options_variable(const struct option_desc *d, char *name, size_t len);
/* Prints the options of a command (a bit of enum options_cmd) for --help. */
void options_help(FILE *f, const struct option_table *table, unsigned int mask);
/* Prints the option list of the manual page, in roff. */
void options_man(FILE *f, const struct option_table *table);

#endif
