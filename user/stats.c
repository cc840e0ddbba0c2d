/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

_Atomic uint64_t stats[STATS_LEN];
_Atomic uint64_t drops[DROPS_LEN];
uint64_t losses;
