/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints for checkers: which write belongs to which cut. A write with
 * seq <= n is in every cut with that n and in all later ones.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dm_ordered

#if !defined(DMO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DMO_TRACE_H

#include <linux/tracepoint.h>

/* A write was captured; lba and sectors in 512-byte units of the volume. */
TRACE_EVENT(dmo_write,
	TP_PROTO(u32 volume, u64 lba, u32 sectors, u64 seq, bool zero),
	TP_ARGS(volume, lba, sectors, seq, zero),
	TP_STRUCT__entry(
		__field(u32, volume)
		__field(u64, lba)
		__field(u32, sectors)
		__field(u64, seq)
		__field(bool, zero)
	),
	TP_fast_assign(
		__entry->volume = volume;
		__entry->lba = lba;
		__entry->sectors = sectors;
		__entry->seq = seq;
		__entry->zero = zero;
	),
	TP_printk("volume=%u lba=%llu sectors=%u seq=%llu zero=%d",
		  __entry->volume, __entry->lba, __entry->sectors, __entry->seq, __entry->zero)
);

/* The cycle @seq ended at the cut (epoch, n). */
TRACE_EVENT(dmo_cut,
	TP_PROTO(u64 seq, u64 epoch, u64 n),
	TP_ARGS(seq, epoch, n),
	TP_STRUCT__entry(
		__field(u64, seq)
		__field(u64, epoch)
		__field(u64, n)
	),
	TP_fast_assign(
		__entry->seq = seq;
		__entry->epoch = epoch;
		__entry->n = n;
	),
	TP_printk("seq=%llu epoch=%llu n=%llu", __entry->seq, __entry->epoch, __entry->n)
);

#endif /* DMO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
