/* SPDX-License-Identifier: Apache-2.0 */
#include "role.h"

#include "json.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdlib.h>

static int64_t parse_id(const char *text)
{
	char *end;
	long long id;

	errno = 0;
	id = strtoll(text, &end, 10);
	return errno || *end || id < 0 ? -1 : id;
}

static unsigned int get_user(void *context, const struct http_request *request, cJSON **ret)
{
	const struct backend *backend = context;
	const cJSON *users = cJSON_GetObjectItemCaseSensitive(backend->data, "users");
	const cJSON *user = data_find(users, "id", parse_id(request->id));

	if (!user) {
		*ret = json_error("User not found");
		return MHD_HTTP_NOT_FOUND;
	}
	*ret = cJSON_Duplicate(user, true);
	return MHD_HTTP_OK;
}

const struct role role_user = {
	.name = "user",
	.port = 8081,
	.data = "{\"users\":[{\"id\":1,\"name\":\"Ada\",\"email\":\"ada@example.com\"},"
		"{\"id\":2,\"name\":\"Grace\",\"email\":\"grace@example.com\"},"
		"{\"id\":7,\"name\":\"Alan\",\"email\":\"alan@example.com\"}]}",
	.method = MHD_HTTP_METHOD_GET,
	.path = "/users/",
	.handle = get_user,
};
