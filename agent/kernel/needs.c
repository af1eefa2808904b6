// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <libelf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>
#include <linux/bpf.h>
#include "base/util.h"
#include "kernel/kernel_btf.h"
#include "kernel/needs.h"

#define DEPTH	  8   /* of members in members */
#define PATH_LEN  128 /* "struct.member.member" */
#define TYPES	  ".BTF"
#define RELOCATES ".BTF.ext"

/* Helpers that are not asked for when the kernel has none, see bpf/loop.bpf.h. */
static const uint32_t optional_helpers[] = { BPF_FUNC_loop };

static const char *const helper_names[] = {
#define HELPER(name) [BPF_FUNC_##name] = #name
	__BPF_FUNC_MAPPER(HELPER)
#undef HELPER
};

/* An object while it is looked through. */
struct object {
	Elf *elf;
	size_t names; /* section of the names of sections */
	struct btf *types;
	const unsigned char *ext; /* relocations by types */
	size_t ext_len;
	bool has_helper[COUNT(helper_names)];
	struct needs *needs;
};

static void lack(struct needs *n, const char *what)
{
	size_t len = strlen(n->text);

	if (strstr(n->text, what))
		return;
	n->missing++;
	/* room for the last words is kept */
	if (len + strlen(what) + 16 < sizeof(n->text))
		snprintf(n->text + len, sizeof(n->text) - len, "%s%s", len ? ", " : "",
			 what);
	else if (!strstr(n->text, ", and more"))
		snprintf(n->text + len, sizeof(n->text) - len, ", and more");
}

/* A tracepoint or an iterator, by the name of a program's section. */
static void need_hook(struct object *o, const char *section)
{
	const char *hook = strchr(section, '/');
	bool iter = !strncmp(section, "iter/", 5);
	char name[PATH_LEN], what[PATH_LEN];

	if (!hook || (!iter && strncmp(section, "tp_btf/", 7)))
		return; /* one that begins with ? is optional */
	snprintf(name, sizeof(name), "%s%s", iter ? "bpf_iter_" : "btf_trace_",
		 hook + 1);
	if (btf__find_by_name_kind(kernel_btf(), name,
				   iter ? BTF_KIND_FUNC : BTF_KIND_TYPEDEF) > 0)
		return;
	snprintf(what, sizeof(what), "%s %s", iter ? "iterator" : "tracepoint",
		 hook + 1);
	lack(o->needs, what);
}

/* What the instructions of a section call. */
static void read_code(struct object *o, const struct bpf_insn *insn, size_t count)
{
	for (const struct bpf_insn *end = insn + count; insn < end; insn++)
		if (insn->code == (BPF_JMP | BPF_CALL) && !insn->src_reg &&
		    insn->imm > 0 && (size_t)insn->imm < COUNT(helper_names))
			o->has_helper[insn->imm] = true;
}

static bool is_optional(uint32_t helper)
{
	for (size_t i = 0; i < COUNT(optional_helpers); i++)
		if (optional_helpers[i] == helper)
			return true;
	return false;
}

static void need_helpers(struct object *o)
{
	char name[PATH_LEN];

	for (uint32_t i = 0; i < COUNT(helper_names); i++) {
		if (!o->has_helper[i] || is_optional(i))
			continue;
		snprintf(name, sizeof(name), "BPF_FUNC_%s", helper_names[i]);
		if (kernel_btf_enumerator(name, UINT32_MAX) != UINT32_MAX)
			continue;
		snprintf(name, sizeof(name), "bpf_%s", helper_names[i]);
		lack(o->needs, name);
	}
}

/* Through typedefs and qualifiers to what has members, or does not. */
static const struct btf_type *plain_type(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	return t;
}

/* A type's name without what tells two of ours of one name apart. */
static void essential_name(const struct btf *btf, const struct btf_type *t, char *name,
			   size_t len)
{
	char *flavour;

	snprintf(name, len, "%s", btf__name_by_offset(btf, t->name_off));
	flavour = strstr(name, "___");
	if (flavour)
		*flavour = '\0';
}

/* A member by its name, also of an anonymous member's; its type, or 0. */
static uint32_t find_member(const struct btf *btf, const struct btf_type *t,
			    const char *name, unsigned int depth)
{
	const struct btf_member *m = t && btf_is_composite(t) ? btf_members(t) : NULL;

	for (int i = 0; m && i < btf_vlen(t); i++, m++) {
		const char *own = btf__name_by_offset(btf, m->name_off);
		uint32_t found = 0;

		if (*own && !strcmp(own, name))
			return m->type;
		if (!*own && depth < DEPTH)
			found =
			    find_member(btf, plain_type(btf, m->type), name, depth + 1);
		if (found)
			return found;
	}
	return 0;
}

/* The names of members on the way of an access ("0:2:1": the 2nd member's 1st). */
struct way {
	char type[PATH_LEN];
	const char *members[DEPTH];
	size_t count;
	char last[PATH_LEN]; /* the last member, behind the name of what it is in */
};

/* Takes the next member. False: it is none. */
static bool go_on(struct way *way, const struct btf *btf, const struct btf_type **t,
		  uint32_t i)
{
	size_t len;

	if (btf_is_array(*t)) {
		*t = plain_type(btf, btf_array(*t)->type);
		return true;
	}
	if (!btf_is_composite(*t) || i >= btf_vlen(*t))
		return false;
	way->members[way->count++] =
	    btf__name_by_offset(btf, btf_members(*t)[i].name_off);
	essential_name(btf, *t, way->last, sizeof(way->last));
	len = strlen(way->last);
	snprintf(way->last + len, sizeof(way->last) - len, ".%s",
		 way->members[way->count - 1]);
	*t = plain_type(btf, btf_members(*t)[i].type);
	return true;
}

static bool read_way(const struct btf *btf, const struct bpf_core_relo *r,
		     struct way *way)
{
	const struct btf_type *t = plain_type(btf, r->type_id);
	const char *at = btf__name_by_offset(btf, r->access_str_off);

	if (!t || !at)
		return false;
	essential_name(btf, t, way->type, sizeof(way->type));
	way->count = 0;
	while ((at = strchr(at, ':')) && way->count < DEPTH)
		if (!go_on(way, btf, &t, strtoul(++at, NULL, 10)))
			return false;
	return way->type[0] && way->count;
}

/* Has the kernel such a type, and in it no such member? */
static bool kernel_lacks(const struct way *way)
{
	const struct btf *btf = kernel_btf();
	int id = btf__find_by_name_kind(btf, way->type, BTF_KIND_STRUCT);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, id) : NULL;

	for (size_t i = 0; t && i < way->count; i++) {
		uint32_t next;

		if (!*way->members[i])
			continue; /* what is in it is found without its name */
		next = find_member(btf, t, way->members[i], 0);
		if (!next)
			return true;
		t = plain_type(btf, next);
		while (t && btf_is_array(t))
			t = plain_type(btf, btf_array(t)->type);
	}
	return false;
}

static void print_way(const struct way *way, char *text, size_t len)
{
	size_t at = snprintf(text, len, "%s", way->type);

	for (size_t i = 0; i < way->count && at < len; i++)
		if (*way->members[i])
			at += snprintf(text + at, len - at, ".%s", way->members[i]);
}

/* Calls for each relocation by a kernel's type. */
static void each_relocation(struct object *o,
			    void (*call)(struct object *o,
					 const struct bpf_core_relo *r, void *arg),
			    void *arg)
{
	/* include/linux/btf.h does not have it: magic, 3 tables of offset and length */
	const struct {
		uint16_t magic;
		uint8_t version, flags;
		uint32_t hdr_len, func_off, func_len, line_off, line_len, core_off,
		    core_len;
	} *h = (const void *)o->ext;
	const unsigned char *at, *end;
	uint32_t size, count;

	if (o->ext_len < sizeof(*h) || h->hdr_len < sizeof(*h) ||
	    (uint64_t)h->hdr_len + h->core_off + h->core_len > o->ext_len ||
	    h->core_len < sizeof(size))
		return;
	at = o->ext + h->hdr_len + h->core_off;
	end = at + h->core_len;
	memcpy(&size, at, sizeof(size));
	for (at += sizeof(size);
	     end - at >= 8 && size >= sizeof(struct bpf_core_relo);) {
		memcpy(&count, at + 4, sizeof(count));
		for (at += 8; count-- && end - at >= (ptrdiff_t)size; at += size)
			call(o, (const void *)at, arg);
	}
}

struct question {
	const struct way *way;
	bool asked;
};

/* Does the object ask whether there is that member, where it reads it or elsewhere? */
static void compare_question(struct object *o, const struct bpf_core_relo *r, void *arg)
{
	struct question *q = arg;
	struct way way;

	if (r->kind == BPF_CORE_FIELD_EXISTS && read_way(o->types, r, &way))
		q->asked |= !strcmp(q->way->last, way.last);
}

static void need_field(struct object *o, const struct bpf_core_relo *r, void *arg)
{
	struct question q = { 0 };
	char what[PATH_LEN];
	struct way way;

	if (r->kind != BPF_CORE_FIELD_BYTE_OFFSET || !read_way(o->types, r, &way) ||
	    !kernel_lacks(&way))
		return;
	q.way = &way;
	each_relocation(o, compare_question, &q);
	if (q.asked)
		return;
	print_way(&way, what, sizeof(what));
	lack(o->needs, what);
}

/* The functions of the kernel that are called: without them nothing loads. */
static void need_functions(struct object *o)
{
	uint32_t count = btf__type_cnt(o->types);

	for (uint32_t id = 1; id < count; id++) {
		const struct btf_type *t = btf__type_by_id(o->types, id);
		const char *name = btf__name_by_offset(o->types, t->name_off);

		if (btf_is_func(t) && btf_vlen(t) == BTF_FUNC_EXTERN &&
		    btf__find_by_name_kind(kernel_btf(), name, BTF_KIND_FUNC) <= 0)
			lack(o->needs, name);
	}
}

/* Looks at a section: code, or what is to be known of types. */
static void read_section(struct object *o, Elf_Scn *section)
{
	Elf64_Shdr *header = elf64_getshdr(section);
	Elf_Data *data = elf_getdata(section, NULL);
	const char *name =
	    header ? elf_strptr(o->elf, o->names, header->sh_name) : NULL;

	if (!name || !data || !data->d_buf)
		return;
	if (header->sh_flags & SHF_EXECINSTR) {
		need_hook(o, name);
		read_code(o, data->d_buf, data->d_size / sizeof(struct bpf_insn));
	} else if (!strcmp(name, TYPES)) {
		o->types = btf__new(data->d_buf, data->d_size);
	} else if (!strcmp(name, RELOCATES)) {
		o->ext = data->d_buf;
		o->ext_len = data->d_size;
	}
}

int needs_find(const unsigned char *image, const unsigned char *image_end,
	       struct needs *needs)
{
	struct object o = { .needs = needs };
	Elf_Scn *section = NULL;

	memset(needs, 0, sizeof(*needs));
	if (!kernel_btf())
		return -ENOENT;
	elf_version(EV_CURRENT);
	o.elf = elf_memory((char *)image, image_end - image);
	if (!o.elf || elf_getshdrstrndx(o.elf, &o.names)) {
		elf_end(o.elf);
		return -EINVAL;
	}
	while ((section = elf_nextscn(o.elf, section)))
		read_section(&o, section);
	need_helpers(&o);
	if (o.types) {
		need_functions(&o);
		each_relocation(&o, need_field, NULL);
	}
	btf__free(o.types);
	elf_end(o.elf);
	return 0;
}
