/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "http.h"

#include <stddef.h>
#include <stdint.h>

/* What every role works with; shared by all threads, never changed while serving. */
struct backend {
	const struct role *role;
	const cJSON *data;
	unsigned int latency_ms, jitter_ms;
	double failure_rate; /* 0 to 1 */
	uint64_t seed;
};

/* A part that the program can play: one file and one row in main.c. */
struct role {
	const char *name;          /* of --role; the service is called NAME-service */
	unsigned int port;         /* the default */
	const char *data;          /* the default, JSON */
	const char *method, *path; /* of its one endpoint beside /health, as in struct http_route */
	http_handler *handle;      /* context: the struct backend */
};

extern const struct role role_user, role_product, role_inventory, role_payment;

/* The entry of an array of objects whose member KEY is ID; NULL if there is none. */
const cJSON *data_find(const cJSON *array, const char *key, int64_t id);

/* {"error": KIND, "message": ...}; the caller's. */
cJSON *role_refusal(const char *kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
