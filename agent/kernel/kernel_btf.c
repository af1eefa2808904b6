// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <bpf/btf.h>
#include "kernel/fallbacks.h"
#include "kernel/kernel_btf.h"

/*
 * libbpf reads the types too, once for each object that it loads. With malloc's own
 * thresholds that memory would come from the kernel and go back to it each time, and
 * the page faults were half of what a start took.
 */
#define HEAP_WHILE_OPENING (128 << 20)
/* From then on a request, which may have 512 KiB, comes from the kernel and goes back.
 */
#define LARGE_AFTERWARDS (256 << 10)
#define HEAP_AFTERWARDS	 (1 << 20)

static struct btf *types;

const struct btf *kernel_btf(void)
{
	if (types)
		return types;
	mallopt(M_MMAP_THRESHOLD, HEAP_WHILE_OPENING);
	mallopt(M_TRIM_THRESHOLD, HEAP_WHILE_OPENING);
	types = fallbacks_btf() ? btf__parse(fallbacks_btf(), NULL)
				: btf__load_vmlinux_btf();
	return types;
}

int kernel_btf_args(const char *tracepoint, const struct btf_param **args)
{
	const struct btf *btf = kernel_btf();
	const struct btf_type *t;
	char name[128];
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) : -1;
	t = id < 0 ? NULL : btf__type_by_id(btf, id);
	t = t ? btf__type_by_id(btf, t->type) : NULL; /* the pointer */
	t = t && btf_is_ptr(t) ? btf__type_by_id(btf, t->type)
			       : NULL; /* the function */
	if (!t || !btf_is_func_proto(t))
		return 0;
	*args = btf_params(t);
	return btf_vlen(t);
}

int kernel_btf_is_pointer(const struct btf_param *arg)
{
	return btf_is_ptr(btf__type_by_id(kernel_btf(), arg->type));
}

uint32_t kernel_btf_enumerator(const char *name, uint32_t none)
{
	const struct btf *btf = kernel_btf();
	uint32_t count = btf__type_cnt(btf);

	for (uint32_t id = 1; id < count; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const struct btf_enum *e = btf_is_enum(t) ? btf_enum(t) : NULL;

		for (int i = 0; e && i < btf_vlen(t); i++)
			if (!strcmp(btf__name_by_offset(btf, e[i].name_off), name))
				return e[i].val;
	}
	return none;
}

void kernel_btf_free(void)
{
	btf__free(types);
	types = NULL;
	mallopt(M_MMAP_THRESHOLD, LARGE_AFTERWARDS);
	mallopt(M_TRIM_THRESHOLD, HEAP_AFTERWARDS);
	malloc_trim(0);
}
