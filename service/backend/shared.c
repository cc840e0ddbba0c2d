/* SPDX-License-Identifier: Apache-2.0 */
/* Both programs stand on the same server, JSON, option and stamp code; it lives with the order service. */
/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "../order/http.c"
#include "../order/json.c"
#include "../order/listen.c"
#include "../order/options.c"
#include "../order/stamp.c"
/* NOLINTEND(bugprone-suspicious-include) */
