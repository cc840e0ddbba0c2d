/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a *.case file (README.md): what passes on a connection, and the messages to be seen in it. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "parser.h"

#define SCRIPT_OPS   1024
#define SCRIPT_BYTES (64 << 10)

enum op_kind {
	OP_BYTES,
	OP_HOLE,
	OP_CLOSE,
};

struct op {
	enum op_kind kind;
	enum flow flow;
	bool event_end; /* the last of its event */
	const char *p;  /* of OP_BYTES */
	uint64_t len;   /* bytes, not for OP_CLOSE */
};

struct script {
	size_t ops_len;
	size_t bytes_len;
	struct slice expect; /* the lines after "expect", points into the text */
	struct op ops[SCRIPT_OPS];
	char bytes[SCRIPT_BYTES];
};

static inline int script_hex(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Undoes \r \n \t \\ \xHH. False: another escape, or no room. */
static inline bool script_unescape(struct script *script, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '\\') {
			struct slice rest = slice_from(s, i + 1);

			if (rest.len == 0)
				return false;
			i++;
			if (rest.p[0] == 'r') {
				c = '\r';
			} else if (rest.p[0] == 'n') {
				c = '\n';
			} else if (rest.p[0] == 't') {
				c = '\t';
			} else if (rest.p[0] == 'x' && rest.len > 2 && script_hex(rest.p[1]) >= 0 &&
				   script_hex(rest.p[2]) >= 0) {
				c = (char)(script_hex(rest.p[1]) * 16 + script_hex(rest.p[2]));
				i += 2;
			} else if (rest.p[0] != '\\') {
				return false;
			}
		}
		if (script->bytes_len == SCRIPT_BYTES)
			return false;
		script->bytes[script->bytes_len++] = c;
	}
	return true;
}

static inline bool script_count(struct slice s, uint64_t *ret_count)
{
	uint64_t count = 0;

	if (s.len == 0 || s.len > 18)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		count = count * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret_count = count;
	return true;
}

/* One line of traffic. `fresh`: it starts an event, even though the one before has its direction. */
static inline bool script_line(struct script *script, struct slice line, bool *fresh)
{
	struct op op = { .flow = line.p[0] == '>' ? FLOW_REQUEST : FLOW_RESPONSE };
	struct op *last = script->ops_len > 0 ? &script->ops[script->ops_len - 1] : NULL;
	struct slice rest = slice_from(line, 3);
	size_t bytes_len = script->bytes_len;
	bool ok;

	if (line.len < 2 || (line.p[0] != '>' && line.p[0] != '<'))
		return false;
	if (line.p[1] == '|') {
		*fresh = true;
		return line.len == 2;
	}

	op.p = script->bytes + script->bytes_len;
	switch (line.p[1]) {
	case ' ':
		ok = script_unescape(script, slice_from(line, 2));
		op.len = (size_t)(script->bytes + script->bytes_len - op.p);
		break;
	case '*':
		ok = script_count(rest, &op.len) && op.len <= SCRIPT_BYTES - script->bytes_len;
		if (ok) {
			memset(script->bytes + script->bytes_len, '.', op.len);
			script->bytes_len += op.len;
		}
		break;
	case '!':
		op.kind = OP_HOLE;
		ok = script_count(rest, &op.len);
		break;
	case '.':
		op.kind = OP_CLOSE;
		ok = line.len == 2;
		break;
	default:
		ok = false;
	}
	if (!ok) {
		script->bytes_len = bytes_len;
		return false;
	}

	if (last && last->flow == op.flow && !*fresh) {
		if (last->kind == OP_BYTES && op.kind == OP_BYTES) {
			last->len += op.len;
			return true;
		}
		last->event_end = op.kind == OP_CLOSE;
	}
	*fresh = false;
	op.event_end = true;
	if (script->ops_len == SCRIPT_OPS)
		return false;
	script->ops[script->ops_len++] = op;
	return true;
}

/* Returns 0, or the number of the first line that is none of a case; it and its like are left out. */
static inline unsigned script_read(struct script *script, struct slice text)
{
	unsigned number = 0, bad = 0;
	bool fresh = false;

	script->ops_len = script->bytes_len = 0;
	script->expect = (struct slice){ 0 };
	while (text.len > 0) {
		const char *lf = memchr(text.p, '\n', text.len);
		struct slice line = { text.p, lf ? (size_t)(lf - text.p) : text.len };

		text = slice_from(text, line.len + 1);
		number++;
		if (slice_eq(line, SLICE("expect"))) {
			script->expect = text;
			break;
		}
		if (line.len > 0 && line.p[0] != '#' && !script_line(script, line, &fresh) && bad == 0)
			bad = number;
	}
	return bad;
}
