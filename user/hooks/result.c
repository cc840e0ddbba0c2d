/* SPDX-License-Identifier: Apache-2.0 */
#include "result.h"

#include <errno.h>
#include <string.h>
#include <Zydis/Zydis.h>

#define INSTRUCTIONS_MAX 256
#define REGISTERS        16
#define NONE             0xff
/* System V ABI for AMD64, section 3.2.1: what a called function need not keep. */
#define CALL_CLOBBERS 0x0fc7 /* RAX, RCX, RDX, RSI, RDI, R8 to R11 */

struct instruction {
	uint64_t address, next, target; /* next and target: 0: does not go there */
	uint64_t offset;
	uint16_t writes;    /* registers, by their bits */
	uint8_t copy, from; /* one that is made a copy of another; NONE: none is */
	uint8_t zero;       /* one that is made 0; NONE: none is */
	bool returns, emulated, calls;
};

/* All that a call may run of the function itself. */
struct flow {
	struct instruction i[INSTRUCTIONS_MAX];
	size_t len;
};

static uint8_t number_of(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64 ? (uint8_t)ZydisRegisterGetId(whole)
								    : NONE;
}

static bool is_emulated(const ZydisDecodedInstruction *i)
{
	if (i->attributes & ZYDIS_ATTRIB_HAS_SEGMENT)
		return false;
	switch (i->opcode_map) {
	case ZYDIS_OPCODE_MAP_DEFAULT:
		return (i->opcode >= 0x70 && i->opcode <= 0x7f) || i->opcode == 0xe8 || i->opcode == 0xe9 ||
		       i->opcode == 0xeb || (i->opcode >= 0x50 && i->opcode <= 0x57);
	case ZYDIS_OPCODE_MAP_0F:
		return i->opcode >= 0x80 && i->opcode <= 0x8f;
	default:
		return false;
	}
}

static void read_writes(struct instruction *to, const ZydisDecodedInstruction *i,
			const ZydisDecodedOperand *o)
{
	for (int n = 0; n < i->operand_count; n++) {
		uint8_t reg = o[n].type == ZYDIS_OPERAND_TYPE_REGISTER ? number_of(o[n].reg.value) : NONE;

		if (reg != NONE && o[n].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			to->writes |= (uint16_t)(1U << reg);
	}
	if (to->calls)
		to->writes |= CALL_CLOBBERS;
}

/* mov of one register to another, and xor of one with itself. */
static void read_copy(struct instruction *to, const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	bool two = i->operand_count_visible == 2 && o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		   o[1].type == ZYDIS_OPERAND_TYPE_REGISTER;

	to->copy = to->from = to->zero = NONE;
	if (two && i->mnemonic == ZYDIS_MNEMONIC_MOV && i->operand_width == 64) {
		to->copy = number_of(o[0].reg.value);
		to->from = number_of(o[1].reg.value);
	} else if (two && i->mnemonic == ZYDIS_MNEMONIC_XOR && o[0].reg.value == o[1].reg.value) {
		to->zero = number_of(o[0].reg.value);
	}
}

/* Returns 0, or -ENOTSUP: where it leads to cannot be told. */
static int read_branch(struct instruction *to, const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	to->next = to->address + i->length;
	switch (i->meta.category) {
	case ZYDIS_CATEGORY_RET:
		to->returns = true;
		to->next = 0;
		return 0;
	case ZYDIS_CATEGORY_CALL:
		to->calls = true;
		return 0;
	case ZYDIS_CATEGORY_UNCOND_BR:
		to->next = 0;
		break;
	case ZYDIS_CATEGORY_COND_BR:
		break;
	default:
		return 0;
	}
	return ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(i, o, to->address, &to->target)) &&
			       o[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE
		       ? 0
		       : -ENOTSUP;
}

static size_t find(const struct flow *f, uint64_t address)
{
	size_t i = 0;

	while (i < f->len && f->i[i].address != address)
		i++;
	return i;
}

static int read_instruction(const struct object *o, const ZydisDecoder *decoder, uint64_t address,
			    struct instruction *to)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction i;
	uint64_t offset, len;
	size_t size;
	const char *file = elf_rawfile(o->elf, &size);
	int err;

	*to = (struct instruction){ .address = address };
	if (!file || object_code(o, address, &offset, &len) || offset > size || len > size - offset ||
	    ZYAN_FAILED(ZydisDecoderDecodeFull(decoder, file + offset, len, &i, operands)))
		return -ENOTSUP;
	to->offset = offset;
	to->emulated = is_emulated(&i);
	if ((err = read_branch(to, &i, operands)))
		return err;
	read_writes(to, &i, operands);
	read_copy(to, &i, operands);
	return 0;
}

static int add(struct flow *f, uint64_t address)
{
	if (!address || find(f, address) < f->len)
		return 0;
	if (f->len == INSTRUCTIONS_MAX)
		return -ENOTSUP;
	f->i[f->len++].address = address;
	return 0;
}

static int read_flow(const struct object *o, uint64_t address, struct flow *f)
{
	ZydisDecoder decoder;
	int err = 0;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	f->len = 0;
	err = add(f, address);
	for (size_t i = 0; i < f->len && !err; i++) {
		err = read_instruction(o, &decoder, f->i[i].address, &f->i[i]);
		if (!err)
			err = add(f, f->i[i].next);
		if (!err)
			err = add(f, f->i[i].target);
	}
	return err;
}

/* Follows the result back from where it is returned. */
struct trail {
	const struct flow *flow;
	size_t point; /* the instruction that is to be passed on each way */
	uint8_t reg;  /* ... and what holds the result there; NONE: not known yet */
	bool seen[INSTRUCTIONS_MAX][REGISTERS];
	struct step {
		size_t at;
		uint8_t reg;
	} open[INSTRUCTIONS_MAX * REGISTERS];
	size_t open_len;
};

static void reach(struct trail *t, size_t at, uint8_t reg)
{
	if (t->seen[at][reg])
		return;
	t->seen[at][reg] = true;
	t->open[t->open_len++] = (struct step){ at, reg };
}

/* After this instruction reg holds the result. Returns false if it comes to be there before the point is
 * passed. */
static bool step_back(struct trail *t, size_t at, uint8_t reg)
{
	const struct instruction *i = &t->flow->i[at];

	if (i->zero == reg)
		return true;
	if (i->copy == reg)
		reg = i->from;
	else if (i->writes & 1U << reg)
		return false;
	if (at == t->point) {
		if (t->reg != NONE && t->reg != reg)
			return false;
		t->reg = reg;
		return true;
	}
	/* It is an argument. */
	if (at == 0)
		return false;
	reach(t, at, reg);
	return true;
}

/* Do all ways on which the result comes to be pass the point after that? */
static bool passes(struct trail *t)
{
	const struct flow *f = t->flow;

	for (size_t i = 0; i < f->len; i++)
		if (f->i[i].returns)
			reach(t, i, 0);
	while (t->open_len) {
		struct step s = t->open[--t->open_len];
		uint64_t address = f->i[s.at].address;

		for (size_t i = 0; i < f->len; i++)
			if ((f->i[i].next == address || f->i[i].target == address) && !step_back(t, i, s.reg))
				return false;
	}
	return t->reg != NONE;
}

/* Can the instruction be come to again from itself? */
static bool repeats(const struct flow *f, size_t point)
{
	bool seen[INSTRUCTIONS_MAX] = { 0 };
	size_t open[INSTRUCTIONS_MAX], open_len = 1;

	open[0] = point;
	while (open_len) {
		const struct instruction *i = &f->i[open[--open_len]];
		const uint64_t to[] = { i->next, i->target };

		for (int n = 0; n < 2; n++) {
			size_t at = to[n] ? find(f, to[n]) : f->len;

			if (at == point)
				return true;
			if (at == f->len || seen[at])
				continue;
			seen[at] = true;
			open[open_len++] = at;
		}
	}
	return false;
}

static int find_return(const struct flow *f, struct result_point *ret_point)
{
	const struct instruction *one = NULL;

	for (size_t i = 0; i < f->len; i++) {
		if (!f->i[i].returns)
			continue;
		if (one)
			return -ENOTSUP;
		one = &f->i[i];
	}
	if (!one)
		return -ENOTSUP;
	*ret_point = (struct result_point){ .offset = one->offset };
	return 0;
}

int result_find(const struct object *o, const struct symbol *s, struct result_point *ret_point)
{
	static struct flow flow;
	static struct trail trail;

	if (read_flow(o, s->address, &flow))
		return -ENOTSUP;
	/* The later the better: until then it may turn out to be NULL. */
	for (size_t i = flow.len; i-- > 0;) {
		if (!flow.i[i].emulated || repeats(&flow, i))
			continue;
		trail.flow = &flow;
		trail.point = i;
		trail.reg = NONE;
		trail.open_len = 0;
		memset(trail.seen, 0, sizeof(trail.seen));
		if (passes(&trail)) {
			*ret_point = (struct result_point){ flow.i[i].offset, trail.reg };
			return 0;
		}
	}
	return find_return(&flow, ret_point);
}
