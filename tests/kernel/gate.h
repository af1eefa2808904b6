/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate of a load: it reads one line "NAME ARG ARG", does that, answers with
 * one line of KEY=VALUE, and waits for the next. Between two lines it does nothing
 * at all, so that what is measured between two answers is the load alone: no
 * start-up, no allocation, no stdio.
 */
#ifndef GATE_H
#define GATE_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define GATE_ARGS 8

/* In a loop that waits for another CPU. */
static inline void relax(void)
{
#if defined(__x86_64__)
	asm volatile("pause");
#elif defined(__aarch64__)
	asm volatile("yield");
#endif
}

struct gate_command {
	const char *name;
	/* Does the work and answers with gate_say(). */
	void (*run)(const struct gate_command *self, const long *args);
	long (*call)(void); /* for a run that serves many names */
	int calls;	    /* system calls in one call */
};

/* Answers with one line; one write, so one system call of class pipe. */
static inline void __attribute__((format(printf, 1, 2))) gate_say(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (len < 0 || len >= (int)sizeof(line) - 1)
		_exit(3);
	line[len++] = '\n';
	if (write(STDOUT_FILENO, line, len) != len)
		_exit(3);
}

/* Nanoseconds of a clock. */
static inline uint64_t gate_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Says why and ends: a load that cannot do its work must not look like one. */
static inline void gate_die(const char *what)
{
	gate_say("error=%s errno=%d", what, errno);
	_exit(2);
}

/* Reads one line into buf; false at the end of the input. */
static inline bool gate_line(char *buf, size_t len)
{
	ssize_t n = read(STDIN_FILENO, buf, len - 1);

	if (n <= 0 || buf[n - 1] != '\n')
		return false;
	buf[n - 1] = '\0';
	return true;
}

static inline void gate_run(const struct gate_command *commands, size_t count,
			    char *line)
{
	long args[GATE_ARGS] = { 0 };
	char *save, *word;
	int n = 0;

	char *name = strtok_r(line, " ", &save);

	while (n < GATE_ARGS && (word = strtok_r(NULL, " ", &save)))
		args[n++] = strtol(word, NULL, 10);
	for (size_t i = 0; name && i < count; i++) {
		if (strcmp(commands[i].name, name) == 0) {
			commands[i].run(&commands[i], args);
			return;
		}
	}
	gate_say("error=command errno=0");
}

/* Answers "ready=1", then does what it is told until the input ends. */
static inline int gate_loop(const struct gate_command *commands, size_t count)
{
	char line[256];

	gate_say("ready=1");
	while (gate_line(line, sizeof(line)))
		gate_run(commands, count, line);
	return 0;
}

#endif
