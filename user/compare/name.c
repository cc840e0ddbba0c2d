/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/name.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS (4 * NAMES_MAX)

static const char *const fixed[NAMES_FIXED] = {
	[NAME_METHOD] = "http.request.method",
	[NAME_STATUS] = "http.response.status_code",
	[NAME_ROUTE] = "http.route",
	[NAME_URL] = "url.full",
	[NAME_PATH] = "url.path",
	[NAME_QUERY] = "url.query",
	[NAME_SCHEME] = "url.scheme",
	[NAME_SERVER] = "server.address",
	[NAME_SERVER_PORT] = "server.port",
	[NAME_PEER] = "network.peer.address",
	[NAME_PEER_PORT] = "network.peer.port",
	[NAME_LOCAL] = "network.local.address",
	[NAME_LOCAL_PORT] = "network.local.port",
	[NAME_THREAD] = "thread.id",
	[NAME_DB_OPERATION] = "db.operation.name",
	[NAME_DB_TABLE] = "db.collection.name",
	[NAME_ERROR] = "error.type",
};

static const struct row {
	bool spanhook;         /* a field of Spanhook's JSON; else an attribute's name of before 2024 */
	enum record_kind kind; /* KIND_UNSPECIFIED: any */
	const char *field;
	const char *name;
	enum form form;
} rows[] = {
	{ true, 0, "method", "http.request.method", FORM_PLAIN },
	{ true, 0, "path", "url.path", FORM_PLAIN },
	{ true, 0, "query", "url.query", FORM_PLAIN },
	{ true, KIND_SERVER, "route", "http.route", FORM_PLAIN },
	{ true, KIND_CLIENT, "route", "url.template", FORM_PLAIN },
	{ true, 0, "host", "server.address", FORM_HOST },
	{ true, 0, "status", "http.response.status_code", FORM_PLAIN },
	{ true, 0, "error_type", "error.type", FORM_PLAIN },
	{ true, 0, "request_bytes", "http.request.body.size", FORM_PLAIN },
	{ true, 0, "response_bytes", "http.response.body.size", FORM_PLAIN },
	{ true, 0, "peer", "network.peer.address", FORM_ENDPOINT },
	{ true, 0, "local", "network.local.address", FORM_ENDPOINT },
	{ true, 0, "peer_service", "peer.service", FORM_PLAIN },
	{ true, 0, "user_agent", "user_agent.original", FORM_PLAIN },
	{ true, 0, "request_id", "http.request.header.x-request-id", FORM_PLAIN },
	{ true, 0, "tid", "thread.id", FORM_PLAIN },
	{ true, 0, "protocol", "network.protocol.name", FORM_PLAIN },
	{ true, 0, "evidence", "link.evidence", FORM_PLAIN },
	{ true, 0, "ttfb_ms", "spanhook.ttfb_ms", FORM_PLAIN },
	{ true, 0, "incomplete", "spanhook.incomplete", FORM_PLAIN },
	{ true, 0, "truncated", "spanhook.truncated", FORM_PLAIN },
	{ true, 0, "adjusted_count", "spanhook.adjusted_count", FORM_PLAIN },
	{ true, 0, "db_system_name", "db.system.name", FORM_PLAIN },
	{ true, 0, "db_namespace", "db.namespace", FORM_PLAIN },
	{ true, 0, "db_operation_name", "db.operation.name", FORM_PLAIN },
	{ true, 0, "db_collection_name", "db.collection.name", FORM_PLAIN },
	{ true, 0, "db_query_summary", "db.query.summary", FORM_PLAIN },
	{ true, 0, "db_query_text", "db.query.text", FORM_PLAIN },
	{ true, 0, "db_response_status_code", "db.response.status_code", FORM_PLAIN },
	{ true, 0, "db_rows", "db.response.returned_rows", FORM_PLAIN },
	{ true, 0, "messaging_system", "messaging.system", FORM_PLAIN },
	{ true, 0, "messaging_destination_name", "messaging.destination.name", FORM_PLAIN },
	{ false, 0, "http.method", "http.request.method", FORM_PLAIN },
	{ false, 0, "http.status_code", "http.response.status_code", FORM_PLAIN },
	{ false, 0, "http.target", "url.path", FORM_PATH },
	{ false, 0, "http.url", "url.full", FORM_URL },
	{ false, 0, "url.full", "url.full", FORM_URL },
	{ false, 0, "http.scheme", "url.scheme", FORM_PLAIN },
	{ false, 0, "http.user_agent", "user_agent.original", FORM_PLAIN },
	{ false, 0, "http.client_ip", "client.address", FORM_PLAIN },
	{ false, 0, "http.request_content_length", "http.request.body.size", FORM_PLAIN },
	{ false, 0, "http.response_content_length", "http.response.body.size", FORM_PLAIN },
	{ false, KIND_CLIENT, "net.peer.name", "server.address", FORM_PLAIN },
	{ false, KIND_CLIENT, "net.peer.port", "server.port", FORM_PLAIN },
	{ false, KIND_SERVER, "net.peer.ip", "network.peer.address", FORM_PLAIN },
	{ false, KIND_SERVER, "net.peer.port", "network.peer.port", FORM_PLAIN },
	{ false, KIND_SERVER, "net.host.name", "server.address", FORM_PLAIN },
	{ false, KIND_SERVER, "net.host.port", "server.port", FORM_PLAIN },
	{ false, 0, "net.sock.peer.addr", "network.peer.address", FORM_PLAIN },
	{ false, 0, "net.sock.peer.port", "network.peer.port", FORM_PLAIN },
	{ false, 0, "db.system", "db.system.name", FORM_PLAIN },
	{ false, 0, "db.operation", "db.operation.name", FORM_PLAIN },
	{ false, 0, "db.sql.table", "db.collection.name", FORM_PLAIN },
	{ false, 0, "db.statement", "db.query.text", FORM_PLAIN },
	{ false, 0, "db.name", "db.namespace", FORM_PLAIN },
};

static char *texts[NAMES_MAX];
static uint16_t slots[SLOTS]; /* number + 1 */
static uint16_t len;

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619U;
	return h;
}

static uint16_t find_or_add(const char *name)
{
	uint32_t at = hash(name) % SLOTS;

	for (; slots[at]; at = (at + 1) % SLOTS)
		if (strcmp(texts[slots[at] - 1], name) == 0)
			return (uint16_t)(slots[at] - 1);
	if (len == NAMES_MAX || !(texts[len] = strdup(name)))
		return NAMES_NONE;
	slots[at] = ++len;
	return (uint16_t)(len - 1);
}

uint16_t name_number(const char *name)
{
	if (!len)
		for (size_t i = 0; i < NAMES_FIXED; i++)
			find_or_add(fixed[i]);
	return find_or_add(name);
}

const char *name_text(uint16_t number)
{
	return texts[number];
}

uint16_t names_len(void)
{
	return len;
}

void names_free(void)
{
	while (len)
		free(texts[--len]);
	memset(slots, 0, sizeof(slots));
}

static uint16_t port_of(uint16_t address)
{
	return address == NAME_SERVER  ? NAME_SERVER_PORT
	       : address == NAME_PEER  ? NAME_PEER_PORT
	       : address == NAME_LOCAL ? NAME_LOCAL_PORT
				       : NAMES_NONE;
}

struct translation translate(const char *field, enum record_kind kind, bool spanhook)
{
	struct translation result = { NAMES_NONE, NAMES_NONE, FORM_PLAIN };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		if (row->spanhook != spanhook || (row->kind && row->kind != kind) ||
		    strcmp(row->field, field))
			continue;
		result.name = name_number(row->name);
		result.port = port_of(result.name);
		result.form = row->form;
		return result;
	}
	if (!spanhook)
		result.name = name_number(field);
	return result;
}

bool name_is_route(uint16_t number)
{
	return number == NAME_ROUTE;
}
