// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "base/log.h"
#include "base/util.h"
#include "kernel/doctor.h"
#include "kernel/fallbacks.h"
#include "kernel/kernel_btf.h"
#include "kernel/needs.h"
#include "kernel/probe.h"
#include "kernel/walk.h"

const char *probe_state_name(enum probe_state state)
{
	static const char *const names[] = {
		[PROBE_DISABLED] = "disabled", [PROBE_LOADED] = "loaded",
		[PROBE_ATTACHED] = "attached", [PROBE_UNAVAILABLE] = "unavailable",
		[PROBE_OFF] = "off",
	};

	return names[state];
}

/* libbpf's own words (verifier logs too) are for debugging only. */
static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (log_get_level() < LOG_LEVEL_DEBUG || level == LIBBPF_DEBUG)
		return 0;
	log_raw(fmt, ap);
	return 0;
}

void probe_init(void)
{
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(print_libbpf);
}

static int find_self(struct self_found *found)
{
	struct bpf_object *obj;
	struct bpf_program *prog;
	struct bpf_map *bss;
	uint32_t zero = 0;
	int err;

	obj = bpf_object__open_mem(self_bpf_o, self_bpf_o_end - self_bpf_o, NULL);
	if (!obj)
		return -errno;
	err = bpf_object__load(obj);
	if (err)
		goto out;
	prog = bpf_object__next_program(obj, NULL);
	bss = bpf_object__next_map(obj, NULL);
	err = prog && bss ? walk_program(bpf_program__fd(prog), walk_read) : -ENOENT;
	if (!err)
		err = bpf_map__lookup_elem(bss, &zero, sizeof(zero), found,
					   sizeof(*found), 0);
out:
	bpf_object__close(obj);
	return err;
}

/* The masks of request flags: enumerators are the numbers of their bits. */
static void find_request_flags(uint32_t masks[RQF_COUNT])
{
	static const struct {
		const char *name;
		uint32_t old;
	} flags[] = {
#define REQUEST_FLAG(name, old) { "__RQF_" #name, old },
		REQUEST_FLAGS(REQUEST_FLAG)
	};

	for (size_t i = 0; i < COUNT(flags); i++) {
		uint32_t bit = kernel_btf_enumerator(flags[i].name, UINT32_MAX);

		masks[i] = bit < 32 ? 1U << bit : flags[i].old;
	}
}

/* What differs between kernels and only BTF tells. */
static int find_forms(struct params *params)
{
	const struct btf_param *args;
	int n;

	if (!kernel_btf())
		return -errno;
	n = kernel_btf_args("sched_switch", &args);
	params->switch_form = SWITCH_NO_STATE;
	if (n >= 5 && !fallbacks_forced())
		params->switch_form = kernel_btf_is_pointer(&args[2])
					  ? SWITCH_STATE_LAST
					  : SWITCH_STATE_SECOND;
	params->victim_form = fallbacks_forced() ? VICTIM_PID_OF_TASK : VICTIM_TASK;
	if (kernel_btf_args("mark_victim", &args) >= 2 &&
	    !kernel_btf_is_pointer(&args[1]))
		params->victim_form = VICTIM_PID;
	find_request_flags(params->rqf);
	return n ? 0 : -ENOENT;
}

int probe_params(const struct cells_plan *plan, struct params *params,
		 uint32_t *self_tgid)
{
	struct self_found found;
	int err;

	probe_init();
	*params = (struct params){
		.slots = plan->slots,
		.cells = { plan->hists, plan->counts },
		.sched_shards = plan->sched_shards,
		.queries = plan->queries,
		.peer_rows = plan->peer_rows,
	};
	for (int t = 0; t < TABLES; t++) {
		params->shift[t] = plan_shift(plan, t);
		params->spill[t] = plan->spills[t];
	}
	err = find_forms(params);
	if (!err)
		err = find_self(&found);
	if (err)
		return err;
	params->delays_dequeue = found.delays_dequeue;
	*self_tgid = found.tgid;
	return 0;
}

int probe_set_params(struct bpf_object *obj, const struct params *params)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, obj) {
		if (!strstr(bpf_map__name(map), ".rodata.params"))
			continue;
		return bpf_map__set_initial_value(map, params, sizeof(*params));
	}
	return -ENOENT;
}

/*
 * Programs in SEC("?tp_btf/...") are optional: libbpf leaves them out, we take those in
 * whose tracepoint this kernel has.
 */
static void choose_optional(struct bpf_object *obj)
{
	const struct btf_param *args;
	struct bpf_program *prog;

	bpf_object__for_each_program (prog, obj) {
		const char *tracepoint = strchr(bpf_program__section_name(prog), '/');

		if (bpf_program__autoload(prog) || !tracepoint)
			continue;
		if (kernel_btf_args(tracepoint + 1, &args))
			bpf_program__set_autoload(prog, true);
	}
}

bool probe_is_plain(const struct probe_desc *desc)
{
	return desc->plain && btf__find_by_name_kind(kernel_btf(), "bpf_rdonly_cast",
						     BTF_KIND_FUNC) <= 0;
}

int probe_needs(const struct probe_desc *desc, struct needs *needs)
{
	if (!kernel_btf())
		return -errno;
	return probe_is_plain(desc) ? needs_find(desc->plain, desc->plain_end, needs)
				    : needs_find(desc->elf, desc->elf_end, needs);
}

/* What the user can do with an error of the load. */
static const char *hint_of(int err)
{
	switch (-err) {
	case ESRCH:
	case ENOENT:
		return "this kernel lacks one of its tracepoints";
	case EPERM:
		return "not permitted: CAP_BPF and CAP_PERFMON are needed";
	case EACCES:
	case EINVAL:
		return "refused by this kernel's verifier (see --log-level debug)";
	case ENOMEM:
		return "no memory";
	default:
		return strerror(-err);
	}
}

/* Leaves out a program whose work is done elsewhere. */
static int leave_out(struct bpf_object *obj, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);

	return prog ? bpf_program__set_autoload(prog, false) : -ENOENT;
}

/*
 * Of the programs for sched_switch only the one for this kernel's arguments stays, and
 * migrations are looked at where they may be those of a task that sleeps.
 */
static int choose_sched(struct bpf_object *obj, const struct params *params)
{
	static const char *const names[] = {
		[SWITCH_NO_STATE] = "sched_switch_bare",
		[SWITCH_STATE_LAST] = "sched_switch",
		[SWITCH_STATE_SECOND] = "sched_switch_second",
	};
	int err = 0;

	for (size_t i = 0; i < COUNT(names) && !err; i++)
		if (i != params->switch_form)
			err = leave_out(obj, names[i]);
	if (!err && !params->delays_dequeue)
		err = leave_out(obj, "sched_migrate");
	return err;
}

/* The probe cannot be had: its programs go, the reason stays. */
static void give_up(struct probe *p, const char *what, int err)
{
	const struct probe_desc *desc = p->desc;
	struct needs needs;

	probe_close(p);
	p->desc = desc;
	p->state = PROBE_UNAVAILABLE;
	p->locked = err == -EINVAL && doctor_locked_down();
	if (!p->locked && !probe_needs(desc, &needs) && needs.missing)
		snprintf(p->reason, sizeof(p->reason),
			 "cannot %s: this kernel lacks %s", what, needs.text);
	else
		snprintf(p->reason, sizeof(p->reason), "cannot %s: %s", what,
			 p->locked ? PROBE_LOCKED : hint_of(err));
}

void probe_load(struct probe *p, const struct probe_desc *desc, const struct cells *c,
		const struct params *params, bool covered)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = desc->name,
		    .btf_custom_path = fallbacks_btf());
	const char *what = "open";
	bool plain = probe_is_plain(desc);
	const unsigned char *elf = plain ? desc->plain : desc->elf;
	int err;

	memset(p, 0, sizeof(*p));
	p->one_in = 1;
	p->desc = desc;
	p->covered = covered;
	p->obj = bpf_object__open_mem(
	    elf, (plain ? desc->plain_end : desc->elf_end) - elf, &opts);
	err = p->obj ? probe_set_params(p->obj, params) : -errno;
	if (!err) {
		choose_optional(p->obj);
		err = cells_reuse(c, p->obj);
	}
	if (!err && covered)
		err = leave_out(p->obj, desc->cover.program);
	if (!err && desc == &probe_descs[PROBE_SCHED])
		err = choose_sched(p->obj, params);
	if (!err) {
		what = "load";
		err = desc->rings && !c->rings ? c->rings_error
					       : bpf_object__load(p->obj);
	}
	if (err)
		give_up(p, what, err);
	else
		p->state = PROBE_LOADED;
}

void probe_attach(struct probe *p)
{
	int err = probe_keep(p);

	if (!err)
		err = probe_link(p);
	if (err)
		give_up(p, "attach", err);
	else
		p->state = PROBE_ATTACHED;
}

void probe_close(struct probe *p)
{
	probe_unlink(p, true);
	for (size_t i = 0; i < p->program_count; i++)
		close(p->programs[i].fd);
	for (size_t i = 0; i < p->map_count; i++)
		close(p->maps[i]);
	bpf_object__close(p->obj); /* NULL is fine */
	memset(p, 0, sizeof(*p));
}
