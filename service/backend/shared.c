/* SPDX-License-Identifier: Apache-2.0 */
/* Both programs stand on the same HTTP server, JSON, option and stamp code; it lives with the order service.
 */
#include "../order/http.c"
#include "../order/json.c"
#include "../order/listen.c"
#include "../order/options.c"
#include "../order/stamp.c"
