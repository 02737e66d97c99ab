// SPDX-License-Identifier: GPL-2.0-only
/*
 * The least that can be done with a node: format, connect, copy, write, cut the secondary's power,
 * recover, restore, promote, compare.
 */
#include <stdio.h>
#include <stdlib.h>
#include "node.h"
#undef snprintf

static struct node p, s;
static int fds[2];

static int do_attach(struct node *n, void *arg)
{
	return node_attach(n, *(int *)arg);
}

static int do_write(struct node *n, void *arg)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct bio_vec vec;
	struct bio bio;
	int rc;

	memset(page_address(page), *(int *)arg, PAGE_SIZE);
	bio_init(&bio, dm_bdev(n->md[0]), &vec, 1, REQ_OP_WRITE);
	bio.bi_iter.bi_sector = 8 * *(int *)arg;
	__bio_add_page(&bio, page, PAGE_SIZE, 0);
	rc = submit_bio_wait(&bio);
	put_page(page);
	return rc;
}

static void must(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "FAILED smoke: %s: %d %s%s %s\n", what, rc, p.why.text, s.why.text, sim_why);
	exit(1);
}

int main(int argc, char **argv)
{
	struct sim_params params = { .turn = 30, .step_ns = 20000 };
	struct sim_net net = { .delay_us = 500, .jitter_us = 500, .window = 65536, .short_reads = 20 };
	struct node_format f = { .nr_volumes = 1, .sectors = { 2048 + 16 }, .meta_blocks = 640 };
	struct dmo_session_status st;
	struct node_promotion pr = { 0 };
	struct sim_rng r = { 1 };
	u64 b, seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	int i;

	sim_tracing = argc > 2;
	sim_begin(seed, &params);
	f.role = DMO_ROLE_PRIMARY;
	node_init(&p, "p", &f);
	node_format(&p, &f);
	f.role = DMO_ROLE_SECONDARY;
	node_init(&s, "s", &f);
	node_format(&s, &f);
	node_boot(&p);
	node_boot(&s);
	must(node_call(&p, node_do_start, NULL, SIM_SEC), "start primary");
	must(node_call(&s, node_do_start, NULL, SIM_SEC), "start secondary");
	conn_new(p.host, s.host, &net, fds);
	must(node_call(&p, do_attach, &fds[0], SIM_SEC), "attach primary");
	must(node_call(&s, do_attach, &fds[1], SIM_SEC), "attach secondary");
	for (i = 1; i < 20; i++)
		must(node_call(&p, do_write, &i, SIM_SEC), "write");
	sim_run(sim_now + 3 * SIM_SEC);
	must(node_call(&p, node_do_status, &st, SIM_SEC), "status");
	printf("primary: state %u cut %llu.%llu committed %llu.%llu restored %llu.%llu %s\n", st.state,
	       st.pri.cut.epoch, st.pri.cut.n, st.pri.committed.epoch, st.pri.committed.n,
	       st.pri.restored.epoch, st.pri.restored.n, st.why.text);
	node_crash(&s, DISK_SECTORS, &r);
	node_boot(&s);
	must(node_call(&s, node_do_start, NULL, SIM_SEC), "recovery");
	must(!node_settle(&s, SIM_SEC), "restore");
	must(node_call(&s, node_do_promote, &pr, SIM_SEC), "promote");
	printf("promoted at %llu.%llu\n", pr.cut.epoch, pr.cut.n);
	for (b = 0; b < 258; b++) {
		const u8 *x = disk_block(p.data[0], b), *y = disk_block(s.data[0], b);
		static const u8 zero[4096];

		must(memcmp(x ?: zero, y ?: zero, 4096), "compare");
	}
	must(node_call(&s, node_do_stop, NULL, 10 * SIM_SEC), "stop secondary");
	must(node_call(&p, node_do_stop, NULL, 10 * SIM_SEC), "stop primary");
	must(sim_failed, "simulation");
	printf("ok smoke: %llu steps, hash %016llx\n", sim_steps, sim_hash);
	return 0;
}
