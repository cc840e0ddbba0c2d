/* SPDX-License-Identifier: Apache-2.0 */
/* Names of attributes as small numbers, and what else than the semantic conventions' name a file may say. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "compare/record.h"

#define NAMES_MAX  2048
#define NAMES_NONE UINT16_MAX

/* Those that matching and labels ask for have fixed numbers. */
enum {
	NAME_METHOD,       /* http.request.method */
	NAME_STATUS,       /* http.response.status_code */
	NAME_ROUTE,        /* http.route */
	NAME_URL,          /* url.full */
	NAME_PATH,         /* url.path */
	NAME_QUERY,        /* url.query */
	NAME_SCHEME,       /* url.scheme */
	NAME_SERVER,       /* server.address */
	NAME_SERVER_PORT,  /* server.port */
	NAME_PEER,         /* network.peer.address */
	NAME_PEER_PORT,    /* network.peer.port */
	NAME_LOCAL,        /* network.local.address */
	NAME_LOCAL_PORT,   /* network.local.port */
	NAME_THREAD,       /* thread.id */
	NAME_DB_OPERATION, /* db.operation.name */
	NAME_DB_TABLE,     /* db.collection.name */
	NAME_ERROR,        /* error.type */
	NAMES_FIXED,
};

/* The number of an attribute's name, a new one when need be; NAMES_NONE when NAMES_MAX are in use. */
uint16_t name_number(const char *name);

/* The name that has the number; and how many there are. */
const char *name_text(uint16_t number);
uint16_t names_len(void);

/* Forgets all names, and thereby what all numbers stood for. */
void names_free(void);

/* How a value becomes one of a semantic convention's attribute. */
enum form {
	FORM_PLAIN,
	FORM_PATH,     /* path, perhaps with ?query → url.path, url.query */
	FORM_HOST,     /* host:port → the attribute and its .port */
	FORM_URL,      /* also its path and query */
	FORM_ENDPOINT, /* address:port, [address]:port → the attribute and its .port */
};

struct translation {
	uint16_t name; /* NAMES_NONE: not an attribute */
	uint16_t port; /* FORM_HOST, FORM_ENDPOINT */
	enum form form;
};

/* What a field of Spanhook's JSON, or an attribute of OTLP under an old name, says of a span of this kind. */
struct translation translate(const char *field, enum record_kind kind, bool spanhook);

/* Is the attribute one whose values have parameters, which are equal whatever they are called? */
bool name_is_route(uint16_t number);
