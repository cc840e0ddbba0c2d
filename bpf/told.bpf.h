/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a runtime tells of the request that something is done for: the receive that has led to it. */
#pragma once

#include "maps.bpf.h"

struct told {
	__u64 sock; /* 0: it does not tell */
	__u32 pos;
	bool mixed;     /* something else may have run since */
	bool goroutine; /* it is done by a goroutine, whether or not that is known */
};
