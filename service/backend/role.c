/* SPDX-License-Identifier: Apache-2.0 */
#include "role.h"

#include "json.h"

#include <stdarg.h>
#include <stdio.h>

const cJSON *data_find(const cJSON *array, const char *key, int64_t id)
{
	int64_t candidate;

	for (const cJSON *entry = array ? array->child : NULL; entry; entry = entry->next)
		if (!json_integer(cJSON_GetObjectItemCaseSensitive(entry, key), 0, JSON_INTEGER_MAX,
				  &candidate) &&
		    candidate == id)
			return entry;
	return NULL;
}

cJSON *role_refusal(const char *kind, const char *format, ...)
{
	cJSON *json = json_error(kind);
	char message[160];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	cJSON_AddStringToObject(json, "message", message);
	return json;
}
