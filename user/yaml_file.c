/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static int parser_error(const yaml_parser_t *parser, const char *name)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		log_error("%s: not YAML: %s at byte %zu", name, parser->problem, parser->problem_offset);
	else
		log_error("%s:%zu: not YAML: %s", name, parser->problem_mark.line + 1, parser->problem);
	return -EINVAL;
}

/* One document, and no other one behind it. */
static int load(yaml_parser_t *parser, struct yaml_file *file)
{
	yaml_document_t second;
	int err = 0;

	if (!yaml_parser_load(parser, &file->document))
		return parser_error(parser, file->name);
	if (!yaml_root(file))
		return 0;
	if (!yaml_parser_load(parser, &second)) {
		err = parser_error(parser, file->name);
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
	yaml_parser_t parser;
	unsigned char *text = malloc(YAML_FILE_MAX + 1);
	size_t len = text ? fread(text, 1, YAML_FILE_MAX + 1, in) : 0;
	int err = text ? 0 : -ENOMEM;

	*file = (struct yaml_file){ .name = name };
	if (!err && ferror(in)) {
		log_error("%s: cannot be read: %s", name, strerror(errno));
		err = -EINVAL;
	} else if (len > YAML_FILE_MAX) {
		log_error("%s: has more than %d bytes", name, YAML_FILE_MAX);
		err = -EINVAL;
	}
	if (!err && !yaml_parser_initialize(&parser))
		err = -ENOMEM;
	if (!err) {
		yaml_parser_set_input_string(&parser, text, len);
		err = load(&parser, file);
		yaml_parser_delete(&parser);
	}
	free(text);
	if (err == -ENOMEM)
		log_error("%s: no memory", name);
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
