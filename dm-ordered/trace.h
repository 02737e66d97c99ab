/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints for checkers: which write belongs to which cut. A write with
 * seq <= n is in every cut with that n and in all later ones.
 *
 * @dev is the metadata device, which names the session; @nr numbers all events of its activation that
 * were traced, so that a lost one leaves a gap (enable all events or none). When dmo_drained
 * has come for a cycle, so have all its writes.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dm_ordered

#if !defined(DMO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DMO_TRACE_H

#include <linux/kdev_t.h>
#include <linux/tracepoint.h>

/* A write was captured; lba and sectors in 512-byte units of the volume. */
TRACE_EVENT(dmo_write,
	TP_PROTO(dev_t dev, u64 nr, u32 volume, u64 lba, u32 sectors, u64 seq, bool zero),
	TP_ARGS(dev, nr, volume, lba, sectors, seq, zero),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u32, volume)
		__field(u64, nr)
		__field(u64, lba)
		__field(u64, seq)
		__field(u32, sectors)
		__field(bool, zero)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->nr = nr;
		__entry->volume = volume;
		__entry->lba = lba;
		__entry->sectors = sectors;
		__entry->seq = seq;
		__entry->zero = zero;
	),
	TP_printk("dev=%u:%u nr=%llu volume=%u lba=%llu sectors=%u seq=%llu zero=%d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->nr, __entry->volume,
		  __entry->lba, __entry->sectors, __entry->seq, __entry->zero)
);

/* The cycle @seq ended at the cut (epoch, n). */
TRACE_EVENT(dmo_cut,
	TP_PROTO(dev_t dev, u64 nr, u64 seq, u64 epoch, u64 n),
	TP_ARGS(dev, nr, seq, epoch, n),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, nr)
		__field(u64, seq)
		__field(u64, epoch)
		__field(u64, n)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->nr = nr;
		__entry->seq = seq;
		__entry->epoch = epoch;
		__entry->n = n;
	),
	TP_printk("dev=%u:%u nr=%llu seq=%llu epoch=%llu n=%llu", MAJOR(__entry->dev),
		  MINOR(__entry->dev), __entry->nr, __entry->seq, __entry->epoch, __entry->n)
);

/* Every write of the cycle @seq, which was cut before, has ended. */
TRACE_EVENT(dmo_drained,
	TP_PROTO(dev_t dev, u64 nr, u64 seq),
	TP_ARGS(dev, nr, seq),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, nr)
		__field(u64, seq)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->nr = nr;
		__entry->seq = seq;
	),
	TP_printk("dev=%u:%u nr=%llu seq=%llu", MAJOR(__entry->dev), MINOR(__entry->dev),
		  __entry->nr, __entry->seq)
);

#endif /* DMO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
