/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#define IP_TEXT_MAX 45

/* An address of AF_INET or AF_INET6, network byte order, as RFC 5952 has it; no terminator. Returns its end.
 */
char *put_ip(char *p, int family, const uint8_t *ip);
