/* SPDX-License-Identifier: Apache-2.0 */
#include "go_table.h"

#include <errno.h>
#include <string.h>

#define MAGIC_1_18     0xfffffff0
#define MAGIC_1_20     0xfffffff1
#define AT_MAGIC       0
#define AT_POINTER_LEN 7
#define AT_LEN         8
#define AT_TEXT        24
#define AT_NAMES       32
#define AT_FUNCTIONS   64
#define HEADER_LEN     72

/* Of the list of functions: an address and where more of it is, each from its base on; and what that starts
 * with. */
#define ENTRY_LEN   8
#define AT_MORE     4
#define AT_NAME     4
#define DETAILS_LEN 8

static uint32_t u32_at(const unsigned char *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof(n));
	return n;
}

static uint64_t u64_at(const unsigned char *at)
{
	uint64_t n;

	memcpy(&n, at, sizeof(n));
	return n;
}

const unsigned char *go_section(const struct object *o, const char *wanted, size_t *ret_size)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	Elf_Data *data;
	size_t names;

	if (elf_getshdrstrndx(o->elf, &names))
		return NULL;
	while ((section = elf_nextscn(o->elf, section))) {
		const char *name =
			gelf_getshdr(section, &header) ? elf_strptr(o->elf, names, header.sh_name) : NULL;

		if (!name || strcmp(name, wanted) != 0 || !(data = elf_getdata(section, NULL)) ||
		    !data->d_buf)
			continue;
		*ret_size = data->d_size;
		return data->d_buf;
	}
	return NULL;
}

int go_table_open(const struct object *o, struct go_table *ret_table)
{
	struct go_table t = { .bytes = go_section(o, ".gopclntab", &t.size) };
	uint32_t magic;

	/* Of a program that can be loaded anywhere. */
	if (!t.bytes)
		t.bytes = go_section(o, ".data.rel.ro.gopclntab", &t.size);
	if (!t.bytes || t.size < HEADER_LEN || t.bytes[AT_POINTER_LEN] != sizeof(uint64_t))
		return -ENOENT;
	magic = u32_at(t.bytes + AT_MAGIC);
	t.len = u64_at(t.bytes + AT_LEN);
	t.text = u64_at(t.bytes + AT_TEXT);
	t.names = u64_at(t.bytes + AT_NAMES);
	t.functions = u64_at(t.bytes + AT_FUNCTIONS);
	if ((magic != MAGIC_1_18 && magic != MAGIC_1_20) || t.names > t.size || t.functions > t.size ||
	    t.len > (t.size - t.functions) / ENTRY_LEN)
		return -ENOENT;
	*ret_table = t;
	return 0;
}

int go_table_read(const struct go_table *t, uint64_t i, struct go_function *ret_function)
{
	uint64_t at = t->functions + i * ENTRY_LEN, more, name;

	/* Behind the last one is the address where it ends. */
	if (i >= t->len || t->size - at < ENTRY_LEN + sizeof(uint32_t))
		return -EINVAL;
	more = t->functions + u32_at(t->bytes + at + AT_MORE);
	if (more > t->size || t->size - more < DETAILS_LEN)
		return -EINVAL;
	name = t->names + u32_at(t->bytes + more + AT_NAME);
	if (name >= t->size || !memchr(t->bytes + name, 0, t->size - name))
		return -EINVAL;
	*ret_function = (struct go_function){ .name = (const char *)t->bytes + name,
					      .address = t->text + u32_at(t->bytes + at) };
	ret_function->size = t->text + u32_at(t->bytes + at + ENTRY_LEN) - ret_function->address;
	return 0;
}
