/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, for bytes that are no UTF-8 */

/* Length of the valid UTF-8 sequence (RFC 3629 section 4) at p, of which len > 0 bytes may be read; 0: none.
 */
size_t utf8_len(const char *p, size_t len);
