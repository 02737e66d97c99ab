// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmorelay: stands between the two ends of a session's link, and tells the recorder (dm-recorder) what
 * the primary is told, before it is told.
 *
 *   dmorelay ADDRESS PORT TARGET [--cut MIN:MAX] [--cut-ends N] [--seed N]
 *
 * Listens at ADDRESS:PORT, the primary's way to the secondary, who listens at ADDRESS:TARGET. With --cut each
 * link breaks, in the midst of a frame or behind it, after that many frames of the primary; with --cut-ends
 * the first N LASTs that end a copy break it. Without a recorder it just relays. Marks:
 *	complete E.N, committed E.N, restored E.N	acknowledgements (or a HELLO that says as much)
 *	last E.N, direct				about to be forwarded to the secondary
 *	link, cut
 */
#define _GNU_SOURCE
#include "kcompat.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include "format/wire.h"

#define MAX_FRAME	(DMO_WIRE_HDR + DMO_WIRE_MAX_PAYLOAD + DMO_WIRE_MAX_DATA)

static int recorder;
static u64 rng = 1;
static unsigned int cut_min, cut_max, cut_after, cut_ends;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("dmorelay: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(1);
}

static void __attribute__((format(printf, 1, 2))) mark(const char *fmt, ...)
{
	char text[64] = "mark ";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + 5, sizeof(text) - 5, fmt, ap);
	va_end(ap);
	/* whether the log has begun, or is over, doesn't matter */
	if (recorder >= 0 && write(recorder, text, strlen(text)) < 0)
		die("mark '%s': %s", text, strerror(errno));
}

static u64 rnd(void)
{
	u64 z = rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

struct way {
	int from, to;
	bool down;		/* of the primary */
	u8 buf[MAX_FRAME];
};

static bool get(int fd, u8 *p, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, p, len, 0);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool put(int fd, const u8 *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void mark_tag(const char *what, const struct dmo_disk_cut *c)
{
	mark("%s %llu.%llu", what, (unsigned long long)le64_to_cpu(c->epoch),
	     (unsigned long long)le64_to_cpu(c->n));
}

static void mark_frame(const u8 *buf, bool down)
{
	const struct dmo_wire_hdr *h = (const void *)buf;
	const struct dmo_wire_hello *hello = (const void *)(buf + DMO_WIRE_HDR);

	switch (le16_to_cpu(h->type)) {
	case DMO_FRAME_HELLO:
		if (down)
			break;
		mark_tag("complete", &hello->complete);
		mark_tag("committed", &hello->committed);
		mark_tag("restored", &hello->restored);
		break;
	case DMO_FRAME_LAST:
		mark_tag("last", &h->tag);
		break;
	case DMO_FRAME_DIRECT_BEGIN:
		mark("direct");
		break;
	case DMO_FRAME_COMPLETE:
		mark_tag("complete", &h->tag);
		break;
	case DMO_FRAME_COMMITTED:
		mark_tag("committed", &h->tag);
		break;
	case DMO_FRAME_RESTORED:
		mark_tag("restored", &h->tag);
		break;
	}
}

static bool ends_copy(const u8 *buf)
{
	const struct dmo_wire_hdr *h = (const void *)buf;
	const struct dmo_wire_last *l = (const void *)(buf + DMO_WIRE_HDR);

	return le16_to_cpu(h->type) == DMO_FRAME_LAST &&
	       le32_to_cpu(l->flags) & DMO_LASTF_END_OF_COPY;
}

static void *carry(void *arg)
{
	struct way *w = arg;
	const struct dmo_wire_hdr *h = (const void *)w->buf;
	unsigned int nr = 0;

	while (get(w->from, w->buf, DMO_WIRE_HDR)) {
		u32 more = le32_to_cpu(h->payload_len) + le32_to_cpu(h->data_len);
		size_t len = DMO_WIRE_HDR + more;

		if (le32_to_cpu(h->magic) != DMO_WIRE_MAGIC || more > MAX_FRAME - DMO_WIRE_HDR)
			die("what comes from the %s is no frame", w->down ? "primary" : "secondary");
		if (!get(w->from, w->buf + DMO_WIRE_HDR, more))
			break;
		mark_frame(w->buf, w->down);
		nr++;
		if (w->down && cut_ends && ends_copy(w->buf)) {
			cut_ends--;
			mark("cut");
			break;
		}
		if (w->down && cut_after && nr == cut_after) {
			put(w->to, w->buf, rnd() % (len + 1));
			mark("cut");
			break;
		}
		if (!put(w->to, w->buf, len))
			break;
	}
	shutdown(w->from, SHUT_RDWR);
	shutdown(w->to, SHUT_RDWR);
	return NULL;
}

static int tcp_socket(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void relay(int primary, struct sockaddr_in *target)
{
	static struct way down = { .down = true }, up;
	int secondary = tcp_socket();
	pthread_t t;

	/* nobody listens while the secondary restarts: the primary comes again */
	if (!connect(secondary, (void *)target, sizeof(*target))) {
		mark("link");
		cut_after = cut_max ? cut_min + (unsigned int)(rnd() % (cut_max - cut_min + 1)) : 0;
		down.from = up.to = primary;
		down.to = up.from = secondary;
		if (pthread_create(&t, NULL, carry, &up))
			die("no thread");
		carry(&down);
		pthread_join(t, NULL);
	}
	close(secondary);
	close(primary);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int l, i;

	if (argc < 4 || !inet_aton(argv[1], &a.sin_addr))
		die("usage: dmorelay ADDRESS PORT TARGET [--cut MIN:MAX] [--cut-ends N] [--seed N]");
	for (i = 4; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seed"))
			rng = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--cut-ends"))
			cut_ends = (unsigned int)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--cut") ||
			 sscanf(argv[i + 1], "%u:%u", &cut_min, &cut_max) != 2 || cut_max < cut_min)
			die("what is %s %s?", argv[i], argv[i + 1]);
	}
	signal(SIGPIPE, SIG_IGN);
	recorder = open("/dev/dmo-recorder", O_WRONLY | O_CLOEXEC);
	if (recorder < 0 && errno != ENOENT)
		die("/dev/dmo-recorder: %s", strerror(errno));
	l = tcp_socket();
	a.sin_port = htons((u16)atoi(argv[2]));
	if (bind(l, (void *)&a, sizeof(a)) || listen(l, 4))
		die("port %s: %s", argv[2], strerror(errno));
	a.sin_port = htons((u16)atoi(argv[3]));
	for (;;) {
		int fd = accept(l, NULL, NULL);

		if (fd < 0)
			die("accept: %s", strerror(errno));
		relay(fd, &a);
	}
}
