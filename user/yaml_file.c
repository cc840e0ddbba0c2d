/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml_file.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/log.h"

struct input {
	FILE *in;
	size_t left; /* bytes that it may have */
	int err;
};

static int read_input(void *ctx, unsigned char *buf, size_t size, size_t *ret_len)
{
	struct input *input = ctx;

	*ret_len = fread(buf, 1, size, input->in);
	if (ferror(input->in))
		input->err = errno ? -errno : -EIO;
	else if (*ret_len > input->left)
		input->err = -EFBIG;
	input->left -= *ret_len <= input->left ? *ret_len : input->left;
	return !input->err;
}

static int parser_error(const yaml_parser_t *parser, const char *name, int input_err)
{
	if (parser->error == YAML_MEMORY_ERROR) {
		log_error("%s: no memory", name);
		return -ENOMEM;
	}
	if (input_err == -EFBIG)
		log_error("%s: has more than %d bytes", name, YAML_FILE_MAX);
	else if (input_err)
		log_error("%s: cannot be read: %s", name, strerror(-input_err));
	else if (parser->error == YAML_READER_ERROR)
		log_error("%s: not YAML: %s at byte %zu", name, parser->problem, parser->problem_offset);
	else
		log_error("%s:%zu: not YAML: %s", name, parser->problem_mark.line + 1, parser->problem);
	return -EINVAL;
}

/* One document, and no other one behind it. */
static int load(yaml_parser_t *parser, struct yaml_file *file, const struct input *input)
{
	yaml_document_t second;
	int err = 0;

	if (!yaml_parser_load(parser, &file->document))
		return parser_error(parser, file->name, input->err);
	if (!yaml_root(file))
		return 0;
	if (!yaml_parser_load(parser, &second)) {
		err = parser_error(parser, file->name, input->err);
	} else {
		if (yaml_document_get_root_node(&second)) {
			log_error("%s:%zu: a second document begins; there may be one", file->name,
				  second.start_mark.line + 1);
			err = -EINVAL;
		}
		yaml_document_delete(&second);
	}
	if (err)
		yaml_document_delete(&file->document);
	return err;
}

int yaml_read(struct yaml_file *file, FILE *in, const char *name)
{
	struct input input = { .in = in, .left = YAML_FILE_MAX };
	yaml_parser_t parser;
	int err;

	*file = (struct yaml_file){ .name = name };
	if (!yaml_parser_initialize(&parser)) {
		log_error("%s: no memory", name);
		return -ENOMEM;
	}
	yaml_parser_set_input(&parser, read_input, &input);
	err = load(&parser, file, &input);
	yaml_parser_delete(&parser);
	return err;
}

void yaml_close(struct yaml_file *file)
{
	yaml_document_delete(&file->document);
}

const yaml_node_t *yaml_root(struct yaml_file *file)
{
	return yaml_document_get_root_node(&file->document);
}

size_t yaml_len(const yaml_node_t *node)
{
	if (node->type == YAML_SEQUENCE_NODE)
		return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (node->type == YAML_MAPPING_NODE)
		return (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
	return 0;
}

const yaml_node_t *yaml_at(struct yaml_file *file, const yaml_node_t *node, size_t at)
{
	return yaml_document_get_node(&file->document, node->type == YAML_SEQUENCE_NODE
							       ? node->data.sequence.items.start[at]
							       : node->data.mapping.pairs.start[at].value);
}

const yaml_node_t *yaml_key(struct yaml_file *file, const yaml_node_t *node, size_t at)
{
	return yaml_document_get_node(&file->document, node->data.mapping.pairs.start[at].key);
}

const char *yaml_text(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->type != YAML_SCALAR_NODE || !node->data.scalar.length ||
	    strlen(text) != node->data.scalar.length)
		return NULL;
	return text;
}

int yaml_error(const struct yaml_file *file, const yaml_node_t *at, const char *format, ...)
{
	char text[900];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_error("%s:%zu: %s", file->name, at->start_mark.line + 1, text);
	return -EINVAL;
}
