/* SPDX-License-Identifier: Apache-2.0 */
#include "node_code.h"

#include <errno.h>
#include <string.h>
#include <Zydis/Zydis.h>

#define DECODED    128 /* instructions that are looked at */
#define BATCH_OVER "_ZN4node11Environment27RunAndClearNativeImmediatesEb"
#define TRIGGER    "_ZN4node27AsyncHooksGetTriggerAsyncIdEPN2v87IsolateE"
#define TRIGGER_AT 8 /* in struct node_ids */

struct functions {
	struct symbol execution, trigger, batch_over; /* size 0: not seen */
};

static int see_symbol(const struct symbol *s, void *arg)
{
	struct functions *f = arg;

	if (strcmp(s->name, NODE_EXECUTION) == 0)
		f->execution = *s;
	else if (strcmp(s->name, TRIGGER) == 0)
		f->trigger = *s;
	else if (strcmp(s->name, BATCH_OVER) == 0)
		f->batch_over = *s;
	return f->execution.size && f->trigger.size && f->batch_over.size;
}

/* Does it load something from behind a register? Not from the stack. */
static bool is_load(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o, ZydisMnemonic mnemonic)
{
	return i->mnemonic == mnemonic && o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       o[1].type == ZYDIS_OPERAND_TYPE_MEMORY && o[1].mem.index == ZYDIS_REGISTER_NONE &&
	       o[1].mem.base != ZYDIS_REGISTER_RIP && o[1].mem.base != ZYDIS_REGISTER_RSP &&
	       o[1].mem.base != ZYDIS_REGISTER_RBP;
}

/*
 * Both functions that return an id find the environment, load the pointer to the ids from it and then, as a
 * double, the one at `at`. The offset of the pointer; 0: the code does not do that.
 */
static uint32_t find_ids(const struct object *object, const struct symbol *s, int64_t at)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisRegister pointer = ZYDIS_REGISTER_NONE;
	ZydisDecodedInstruction i;
	ZydisDecoder decoder;
	uint64_t offset = 0, done = 0;
	size_t size;
	const char *file = elf_rawfile(object->elf, &size);

	if (!file || s->offset > size || s->size > size - s->offset)
		return 0;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (int n = 0; n < DECODED && done < s->size; n++, done += i.length) {
		if (ZYAN_FAILED(
			    ZydisDecoderDecodeFull(&decoder, file + s->offset + done, s->size - done, &i, o)))
			return 0;
		if (pointer != ZYDIS_REGISTER_NONE && is_load(&i, o, ZYDIS_MNEMONIC_MOVSD) &&
		    o[0].reg.value == ZYDIS_REGISTER_XMM0 && o[1].mem.base == pointer &&
		    o[1].mem.disp.value == at)
			return (uint32_t)offset;
		if (is_load(&i, o, ZYDIS_MNEMONIC_MOV) && i.operand_width == 64 && o[1].mem.disp.value > 0) {
			pointer = o[0].reg.value;
			offset = (uint64_t)o[1].mem.disp.value;
		}
	}
	return 0;
}

int node_code_read(const struct object *o, struct node_code *ret_code)
{
	struct functions f = { 0 };
	uint32_t ids;

	symbols_each(o, see_symbol, &f);
	if (!f.execution.size || !f.trigger.size)
		return -ENOENT;
	ids = find_ids(o, &f.execution, 0);
	if (!ids || ids != find_ids(o, &f.trigger, TRIGGER_AT) || !f.batch_over.size)
		return -ENOTSUP;
	*ret_code = (struct node_code){ .batch_over = f.batch_over, .ids = ids };
	return 0;
}
