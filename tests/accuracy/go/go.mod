// SPDX-License-Identifier: Apache-2.0
module spanhook/accuracy

go 1.18
