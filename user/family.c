/* SPDX-License-Identifier: Apache-2.0 */
#include "family.h"

#define ARRAY(array) array, sizeof(array) / sizeof((array)[0])

/* OpenTelemetry's advice for durations. */
static const int64_t duration_bounds_ns[] = {
	0,         5000000,   10000000,   25000000,   50000000,   75000000,   100000000,   250000000,
	500000000, 750000000, 1000000000, 2500000000, 5000000000, 7500000000, 10000000000,
};

/* ... and for those of database operations. */
static const int64_t db_bounds_ns[] = {
	1000000, 5000000, 10000000, 50000000, 100000000, 500000000, 1000000000, 5000000000, 10000000000,
};

static const int64_t size_bounds[] = {
	0, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 65536, 1048576, 16777216,
};

const struct scale scales[MEASURES] = {
	[DB_DURATION] = { ARRAY(db_bounds_ns), 9 },
	[DURATION] = { ARRAY(duration_bounds_ns), 9 },
	[REQUEST_SIZE] = { ARRAY(size_bounds), 0 },
	[RESPONSE_SIZE] = { ARRAY(size_bounds), 0 },
};

/* OpenTelemetry's HTTP metrics, as they are named in Prometheus. */
static const struct label server_labels[] = {
	{ "service_name", LABEL_SERVICE }, { "http_request_method", LABEL_METHOD },
	{ "http_route", LABEL_ROUTE },     { "http_response_status_code", LABEL_STATUS },
	{ "error_type", LABEL_ERROR },     { "url_scheme", LABEL_SCHEME },
	{ "server_port", LABEL_PORT },
};
static const struct metric server_metrics[] = {
	{ HISTOGRAM, DURATION, 0, "http_server_request_duration_seconds",
	  "Duration of served HTTP requests" },
	{ HISTOGRAM, REQUEST_SIZE, HAS_BODIES, "http_server_request_body_size_bytes",
	  "Bodies of served HTTP requests" },
	{ HISTOGRAM, RESPONSE_SIZE, HAS_BODIES, "http_server_response_body_size_bytes",
	  "Bodies of HTTP responses" },
};

static const struct label client_labels[] = {
	{ "service_name", LABEL_SERVICE },   { "http_request_method", LABEL_METHOD },
	{ "http_route", LABEL_ROUTE },       { "http_response_status_code", LABEL_STATUS },
	{ "error_type", LABEL_ERROR },       { "url_scheme", LABEL_SCHEME },
	{ "server_address", LABEL_ADDRESS }, { "server_port", LABEL_PORT },
};
static const struct metric client_metrics[] = {
	{ HISTOGRAM, DURATION, 0, "http_client_request_duration_seconds", "Duration of HTTP calls" },
	{ HISTOGRAM, REQUEST_SIZE, HAS_BODIES, "http_client_request_body_size_bytes",
	  "Bodies of sent HTTP requests" },
	{ HISTOGRAM, RESPONSE_SIZE, HAS_BODIES, "http_client_response_body_size_bytes",
	  "Bodies of received HTTP responses" },
};

/* OpenTelemetry's database metrics. */
static const struct label db_client_labels[] = {
	{ "service_name", LABEL_SERVICE },
	{ "db_system_name", LABEL_DB_SYSTEM },
	{ "db_namespace", LABEL_DB_NAMESPACE },
	{ "db_operation_name", LABEL_OPERATION },
	{ "db_collection_name", LABEL_COLLECTION },
	{ "db_response_status_code", LABEL_STATUS_CODE },
	{ "error_type", LABEL_ERROR },
	{ "server_address", LABEL_ADDRESS },
	{ "server_port", LABEL_PORT },
};
static const struct metric db_client_metrics[] = {
	{ HISTOGRAM, DB_DURATION, 0, "db_client_operation_duration_seconds",
	  "Duration of database operations" },
};
static const struct label db_server_labels[] = {
	{ "service_name", LABEL_SERVICE },
	{ "db_system_name", LABEL_DB_SYSTEM },
	{ "db_namespace", LABEL_DB_NAMESPACE },
	{ "db_operation_name", LABEL_OPERATION },
	{ "db_collection_name", LABEL_COLLECTION },
	{ "db_response_status_code", LABEL_STATUS_CODE },
	{ "error_type", LABEL_ERROR },
	{ "server_port", LABEL_PORT },
};
static const struct metric db_server_metrics[] = {
	{ HISTOGRAM, DB_DURATION, 0, "db_server_operation_duration_seconds",
	  "Duration of operations in the database" },
};

/* Who calls whom, for the service graphs of Grafana. */
static const struct label edge_labels[] = { { "client", LABEL_CALLER }, { "server", LABEL_CALLEE } };
static const struct metric edge_metrics[] = {
	{ COUNTER, 0, IS_WHOLE_EDGE, "traces_service_graph_request_total", "Requests between two services" },
	{ COUNTER, 0, IS_WHOLE_EDGE | HAS_FAILED, "traces_service_graph_request_failed_total",
	  "Failed requests between two services" },
	{ HISTOGRAM, DURATION, IS_CLIENT, "traces_service_graph_request_client_seconds",
	  "Duration of requests as their client saw it" },
	{ HISTOGRAM, DURATION, IS_SERVER, "traces_service_graph_request_server_seconds",
	  "Duration of requests as their server saw it" },
};

static const struct label info_labels[] = {
	{ "service_name", LABEL_SERVICE },
	{ "host_name", LABEL_HOST_NAME },
	{ "telemetry_sdk_name", LABEL_SDK_NAME },
	{ "telemetry_sdk_version", LABEL_SDK_VERSION },
};
static const struct metric info_metrics[] = {
	{ INFO, 0, 0, "target_info", "Services of which spans were seen" },
};

/* What services that count their requests themselves have for long called them. */
static const struct label request_labels[] = {
	{ "method", LABEL_METHOD },
	{ "endpoint", LABEL_ROUTE },
	{ "status_code", LABEL_STATUS_OR_ZERO },
	{ "status_class", LABEL_STATUS_CLASS },
	{ "service", LABEL_SERVICE },
};
static const struct metric request_metrics[] = {
	{ COUNTER, 0, 0, "http_requests_total", "Served HTTP requests" },
	{ HISTOGRAM, DURATION, 0, "http_request_duration_seconds", "Duration of served HTTP requests" },
};

static const struct label call_labels[] = {
	{ "target_service", LABEL_TARGET },
	{ "endpoint", LABEL_ROUTE },
	{ "status_code", LABEL_STATUS_OR_ZERO },
	{ "result", LABEL_RESULT },
	{ "service", LABEL_SERVICE },
};
static const struct metric call_metrics[] = {
	{ COUNTER, 0, 0, "external_api_calls_total", "HTTP calls of other services" },
};

static const struct label query_labels[] = {
	{ "operation", LABEL_OPERATION },
	{ "table", LABEL_COLLECTION },
	{ "service", LABEL_SERVICE },
};
static const struct metric query_metrics[] = {
	{ HISTOGRAM, DB_DURATION, 0, "database_query_duration_seconds", "Duration of database queries" },
};

const struct family families[FAMILIES_LEN] = {
	{ ARRAY(server_labels), ARRAY(server_metrics), IS_SERVER | IS_HTTP, false },
	{ ARRAY(client_labels), ARRAY(client_metrics), IS_CLIENT | IS_HTTP, false },
	{ ARRAY(db_client_labels), ARRAY(db_client_metrics), IS_CLIENT | IS_DB, false },
	{ ARRAY(db_server_labels), ARRAY(db_server_metrics), IS_SERVER | IS_DB, false },
	{ ARRAY(edge_labels), ARRAY(edge_metrics), 0, false },
	{ ARRAY(info_labels), ARRAY(info_metrics), 0, false },
	{ ARRAY(request_labels), ARRAY(request_metrics), IS_SERVER | IS_HTTP, true },
	{ ARRAY(call_labels), ARRAY(call_metrics), IS_CLIENT | IS_HTTP, true },
	{ ARRAY(query_labels), ARRAY(query_metrics), IS_CLIENT | IS_DB, true },
};
