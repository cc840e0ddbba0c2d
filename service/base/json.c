/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const unsigned char *p)
{
	static const struct {
		unsigned char first, last; /* of the sequence's first byte */
		unsigned char second_min, second_max;
		unsigned char more; /* bytes after the first */
	} forms[] = {
		{ 0x01, 0x7f, 0x00, 0x00, 0 }, { 0xc2, 0xdf, 0x80, 0xbf, 1 }, { 0xe0, 0xe0, 0xa0, 0xbf, 2 },
		{ 0xe1, 0xec, 0x80, 0xbf, 2 }, { 0xed, 0xed, 0x80, 0x9f, 2 }, { 0xee, 0xef, 0x80, 0xbf, 2 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 3 }, { 0xf1, 0xf3, 0x80, 0xbf, 3 }, { 0xf4, 0xf4, 0x80, 0x8f, 3 },
	};
	enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

	while (*p) {
		size_t form = 0;

		while (form < FORMS && !(*p >= forms[form].first && *p <= forms[form].last))
			form++;
		if (form == FORMS)
			return false;
		p++;
		for (unsigned int i = 0; i < forms[form].more; i++, p++) {
			unsigned char min = i ? 0x80 : forms[form].second_min;
			unsigned char max = i ? 0xbf : forms[form].second_max;

			if (*p < min || *p > max)
				return false;
		}
	}
	return true;
}

cJSON *json_parse(const char *text, size_t len)
{
	if (strlen(text) != len || !is_utf8((const unsigned char *)text))
		return NULL;
	return cJSON_ParseWithOpts(text, NULL, true);
}

const char *json_text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

int json_integer(const cJSON *value, int64_t min, int64_t max, int64_t *ret)
{
	double number = value && cJSON_IsNumber(value) ? value->valuedouble : 0.5;

	if (!(number >= (double)min && number <= (double)max) || number != (double)(int64_t)number)
		return -EINVAL;
	*ret = (int64_t)number;
	return 0;
}

cJSON *json_error(const char *text)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "error", text);
	return json;
}
