/* SPDX-License-Identifier: Apache-2.0 */
#include "redis_command.h"

#include <string.h>

#include "resp.h"

/* Longest name of a command, and longest first line that tells one. */
#define NAME_MAX  24
#define GUESS_MAX 256

/* Those that are more than a name and its arguments, and those that a connection may start with inline. */
static const struct redis_command commands[] = {
	{ SLICE("acl"), REDIS_GROUP, REDIS_SECRET | REDIS_STARTS },
	{ SLICE("auth"), REDIS_PLAIN, REDIS_SECRET },
	{ SLICE("client"), REDIS_CLIENT, REDIS_STARTS },
	{ SLICE("cluster"), REDIS_GROUP, REDIS_STARTS },
	{ SLICE("command"), REDIS_GROUP, REDIS_STARTS },
	{ SLICE("config"), REDIS_GROUP, REDIS_SECRET | REDIS_STARTS },
	{ SLICE("dbsize"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("debug"), REDIS_GROUP, REDIS_STARTS },
	{ SLICE("echo"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("exists"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("flushall"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("flushdb"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("function"), REDIS_GROUP, 0 },
	{ SLICE("hello"), REDIS_PLAIN, REDIS_SECRET | REDIS_STARTS },
	{ SLICE("hgetall"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("info"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("keys"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("latency"), REDIS_GROUP, REDIS_STARTS },
	{ SLICE("lrange"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("memory"), REDIS_GROUP, REDIS_STARTS },
	{ SLICE("migrate"), REDIS_PLAIN, REDIS_SECRET },
	{ SLICE("module"), REDIS_GROUP, REDIS_STARTS },
	{ SLICE("monitor"), REDIS_MONITOR, REDIS_STARTS },
	{ SLICE("multi"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("object"), REDIS_GROUP, 0 },
	{ SLICE("ping"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("psubscribe"), REDIS_SUBSCRIBE, REDIS_STARTS },
	{ SLICE("psync"), REDIS_SYNC, 0 },
	{ SLICE("publish"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("pubsub"), REDIS_GROUP, 0 },
	{ SLICE("punsubscribe"), REDIS_SUBSCRIBE, 0 },
	{ SLICE("randomkey"), REDIS_PLAIN, REDIS_STARTS },
	{ SLICE("reset"), REDIS_RESET, 0 },
	{ SLICE("script"), REDIS_GROUP, 0 },
	{ SLICE("select"), REDIS_SELECT, 0 },
	{ SLICE("sentinel"), REDIS_GROUP, REDIS_SECRET },
	{ SLICE("slowlog"), REDIS_GROUP, REDIS_STARTS },
	{ SLICE("ssubscribe"), REDIS_SUBSCRIBE, 0 },
	{ SLICE("subscribe"), REDIS_SUBSCRIBE, REDIS_STARTS },
	{ SLICE("sunsubscribe"), REDIS_SUBSCRIBE, 0 },
	{ SLICE("sync"), REDIS_SYNC, 0 },
	{ SLICE("unsubscribe"), REDIS_SUBSCRIBE, 0 },
	{ SLICE("xadd"), REDIS_STREAM, 0 },
	{ SLICE("xgroup"), REDIS_GROUP, 0 },
	{ SLICE("xinfo"), REDIS_GROUP, 0 },
	{ SLICE("xread"), REDIS_STREAMS, 0 },
	{ SLICE("xreadgroup"), REDIS_STREAMS, 0 },
};

static const struct redis_command plain = { .kind = REDIS_PLAIN };

const struct redis_command *redis_command(struct slice name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].name.len == name.len && commands[i].name.p[0] == ascii_lower(name.p[0]) &&
		    slice_ieq(commands[i].name, name))
			return &commands[i];
	return &plain;
}

struct redis_args redis_args_of(struct slice text)
{
	struct resp_header h = { 0 };

	if (text.len == 0 || text.p[0] != '*')
		return (struct redis_args){ .rest = text, .is_inline = true };
	if (resp_read(text, &h) != GUESS_YES)
		return (struct redis_args){ 0 };
	return (struct redis_args){ .rest = slice_from(text, h.len), .left = resp_elements(&h) };
}

/* A word, whose quotes are left out and whose escapes are left as they are (sdssplitargs() of Redis). */
static bool next_word(struct slice *rest, struct slice *ret_word)
{
	size_t at = 0, start;
	char quote;

	while (at < rest->len && (rest->p[at] == ' ' || rest->p[at] == '\t'))
		at++;
	*rest = slice_from(*rest, at);
	if (rest->len == 0)
		return false;
	quote = rest->p[0] == '"' || rest->p[0] == '\'' ? rest->p[0] : 0;
	start = at = quote ? 1 : 0;
	while (at < rest->len && (quote ? rest->p[at] != quote : rest->p[at] != ' ' && rest->p[at] != '\t'))
		at += quote && rest->p[at] == '\\' && at + 1 < rest->len ? 2 : 1;
	*ret_word = (struct slice){ rest->p + start, at - start };
	*rest = slice_from(*rest, at + (quote ? 1 : 0));
	return true;
}

bool redis_next_arg(struct redis_args *args, struct slice *ret_arg)
{
	struct resp_header h;
	bool whole;

	*ret_arg = (struct slice){ 0 };
	if (args->is_inline)
		return next_word(&args->rest, ret_arg);
	if (args->left == 0 || args->rest.len == 0 || resp_read(args->rest, &h) != GUESS_YES ||
	    h.type != '$' || h.number < 0)
		return false;
	args->rest = slice_from(args->rest, h.len);
	*ret_arg = args->rest;
	whole = args->rest.len >= (size_t)h.number;
	if (whole)
		ret_arg->len = (size_t)h.number;
	args->rest = slice_from(args->rest, (size_t)resp_string_len(&h));
	args->left -= whole;
	return whole;
}

static void put(struct statement *statement, struct slice s)
{
	size_t room = sizeof(statement->text) - statement->text_len;
	size_t n = s.len < room ? s.len : room;

	memcpy(statement->text + statement->text_len, s.p, n);
	statement->text_len = (uint16_t)(statement->text_len + n);
}

/* As redis-cli takes it: bare, or in quotes with escapes. */
static void put_arg(struct statement *statement, struct slice arg)
{
	static const char digits[] = "0123456789abcdef";
	bool bare = arg.len > 0;

	for (size_t i = 0; i < arg.len && bare; i++)
		bare = arg.p[i] > ' ' && arg.p[i] < 0x7f && !strchr("\"'\\", arg.p[i]);
	if (bare) {
		put(statement, arg);
		return;
	}
	put(statement, SLICE("\""));
	for (size_t i = 0; i < arg.len && statement->text_len < sizeof(statement->text); i++) {
		unsigned char c = (unsigned char)arg.p[i];
		char escape[] = { '\\', 'x', digits[c >> 4], digits[c & 15] };

		if (c == '"' || c == '\\')
			put(statement, (struct slice){ (char[]){ '\\', (char)c }, 2 });
		else if (c >= ' ' && c < 0x7f)
			put(statement, (struct slice){ &arg.p[i], 1 });
		else
			put(statement, (struct slice){ escape, sizeof(escape) });
	}
	put(statement, SLICE("\""));
}

static bool is_group(const struct redis_command *command)
{
	return command->kind == REDIS_GROUP || command->kind == REDIS_CLIENT;
}

/* The stream that is written to, or the first one that is read (XREAD ... STREAMS key [key ...] id ...). */
static void set_destination(const struct redis_command *command, struct redis_args args,
			    struct statement *statement)
{
	struct slice arg = { 0 };
	bool found = command->kind == REDIS_STREAM;

	if (!found && command->kind != REDIS_STREAMS)
		return;
	while (!found && redis_next_arg(&args, &arg))
		found = slice_ieq(arg, SLICE("streams"));
	if (!found || !redis_next_arg(&args, &arg) || arg.len > sizeof(statement->destination))
		return;
	memcpy(statement->destination, arg.p, arg.len);
	statement->destination_len = (uint8_t)arg.len;
}

static size_t set_operation(struct slice word, size_t at, struct statement *statement)
{
	size_t room = sizeof(statement->operation) - at;
	size_t n = word.len < room ? word.len : room;

	for (size_t i = 0; i < n; i++)
		statement->operation[at + i] = word.p[i] > ' ' && word.p[i] < 0x7f ? word.p[i] : '?';
	return at + n;
}

void redis_describe(struct slice text, bool raw, struct statement *ret_statement)
{
	struct redis_args args = redis_args_of(text);
	const struct redis_command *command;
	struct slice arg;
	size_t len;
	bool more;

	ret_statement->operation_len = ret_statement->collection_len = ret_statement->destination_len = 0;
	ret_statement->summary_len = 0;
	ret_statement->text_len = 0;
	if (!redis_next_arg(&args, &arg) || arg.len == 0)
		return;
	command = redis_command(arg);
	len = set_operation(arg, 0, ret_statement);
	set_destination(command, args, ret_statement);
	if (is_group(command) && len < sizeof(ret_statement->operation) && redis_next_arg(&args, &arg)) {
		ret_statement->operation[len] = ' ';
		len = set_operation(arg, len + 1, ret_statement);
	}
	ret_statement->operation_len = ret_statement->summary_len = (uint8_t)len;
	memcpy(ret_statement->summary, ret_statement->operation, len);
	put(ret_statement, (struct slice){ ret_statement->operation, len });

	more = redis_next_arg(&args, &arg);
	while (more || args.left > 0) {
		if (ret_statement->text_len >= sizeof(ret_statement->text) - 1)
			break;
		put(ret_statement, SLICE(" "));
		if (raw && more && !(command->flags & REDIS_SECRET))
			put_arg(ret_statement, arg);
		else
			put(ret_statement, SLICE("?"));
		args.left -= more || args.is_inline ? 0 : 1;
		more = more && redis_next_arg(&args, &arg);
	}
}

bool redis_is_inline(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t')
			return false;
	return true;
}

size_t redis_read_line(struct slice s, struct slice *ret_line)
{
	const char *lf = memchr(s.p, '\n', s.len);

	*ret_line = (struct slice){ s.p, lf ? (size_t)(lf - s.p) : s.len };
	if (ret_line->len > 0 && ret_line->p[ret_line->len - 1] == '\r')
		ret_line->len--;
	return lf ? (size_t)(lf - s.p) + 1 : 0;
}

static bool may_start(struct slice word, bool whole)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct slice name = commands[i].name;

		if (whole ? name.len != word.len : name.len < word.len)
			continue;
		name.len = word.len;
		if (commands[i].flags & REDIS_STARTS && slice_ieq(name, word))
			return true;
	}
	return false;
}

enum guess redis_guess_array(struct slice s)
{
	struct resp_header h = { 0 };
	enum guess guess = resp_read(s, &h);
	struct slice name;

	if (guess != GUESS_YES || h.type != '*' || h.number < 1)
		return guess == GUESS_MORE && s.p[0] == '*' ? GUESS_MORE : GUESS_NO;
	s = slice_from(s, h.len);
	if (s.len == 0)
		return GUESS_MORE;
	guess = resp_read(s, &h);
	if (guess != GUESS_YES || h.type != '$' || h.number < 1 || h.number > NAME_MAX)
		return guess == GUESS_MORE && s.p[0] == '$' ? GUESS_MORE : GUESS_NO;
	name = slice_from(s, h.len);
	for (size_t i = 0; i < name.len && i < (size_t)h.number; i++) {
		char c = ascii_lower(name.p[i]);

		if ((c < 'a' || c > 'z') && (i == 0 || (c == 0 || !strchr("0123456789._-|", c))))
			return GUESS_NO;
	}
	name = slice_from(name, (size_t)h.number);
	if (name.len < 2)
		return name.len == 0 || name.p[0] == '\r' ? GUESS_MORE : GUESS_NO;
	return slice_starts(name, SLICE("\r\n")) ? GUESS_YES : GUESS_NO;
}

enum guess redis_guess_inline(struct slice s)
{
	struct slice line, word;
	size_t n, len = 0;

	if (s.len > GUESS_MAX)
		s.len = GUESS_MAX;
	n = redis_read_line(s, &line);
	while (len < line.len && line.p[len] != ' ')
		len++;
	word = (struct slice){ line.p, len };
	if (len == 0 || !redis_is_inline(line) || !may_start(word, n > 0 || len < line.len))
		return GUESS_NO;
	if (len < line.len && slice_ieq(word, SLICE("ping")))
		return GUESS_NO;
	return n > 0 ? GUESS_YES : s.len < GUESS_MAX ? GUESS_MORE : GUESS_NO;
}
