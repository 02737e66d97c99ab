// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmonl: generic netlink messages of any shape to dm-ordered, and file descriptors of any kind.
 *
 *   dmonl [OPTION...] COMMAND [ATTRIBUTE...]
 *
 * COMMAND is a number or get, attach, detach, switch, set, promote. Prints "ok" and what matters of the
 * answer, or "error NUMBER: text of the kernel", and exits with 0 or 1.
 *   meta=MAJOR:MINOR or meta=/dev/...	the two attributes that name the session
 *   wanted	the flag DMO_A_LINK_WANTED
 *   NUMBER=u32:VALUE | u64:V | u8:V | flag | str:TEXT | bytes:N	any attribute
 *   fd=KIND	file, pipe, udp, udp-connected, tcp-unconnected, tcp-listening, tcp-shutdown, unix, unix-dgram,
 *		unix-seqpacket, closed, negative, netlink, tcp (connected, nobody speaks), eventfd
 *   --version N   --family N   --dump   --short N (cut so many bytes off the message)
 *   --twice	send it a second time, from the same process, with a new fd, and print that answer too
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include "genl.h"

static struct genl_answer answer;

static void quit(const char *why)
{
	fprintf(stderr, "dmonl: %s\n", why);
	exit(2);
}

static int tcp_listener(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (l < 0 || bind(l, (void *)a, len) || listen(l, 2) || getsockname(l, (void *)a, &len))
		quit("no listening socket: is lo up?");
	return l;
}

static int make_fd(const char *kind)
{
	struct sockaddr_in a;
	int sv[2];

	if (!strcmp(kind, "file"))
		return open("/etc/passwd", O_RDONLY);
	if (!strcmp(kind, "pipe"))
		return pipe(sv) ? -1 : sv[0];
	if (!strcmp(kind, "eventfd"))
		return eventfd(0, 0);
	if (!strcmp(kind, "closed"))
		return 777;
	if (!strcmp(kind, "negative"))
		return -1;
	if (!strcmp(kind, "netlink"))
		return socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	if (!strcmp(kind, "udp"))
		return socket(AF_INET, SOCK_DGRAM, 0);
	if (!strcmp(kind, "unix"))
		return socketpair(AF_UNIX, SOCK_STREAM, 0, sv) ? -1 : sv[0];
	if (!strcmp(kind, "unix-dgram"))
		return socketpair(AF_UNIX, SOCK_DGRAM, 0, sv) ? -1 : sv[0];
	if (!strcmp(kind, "unix-seqpacket"))
		return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv) ? -1 : sv[0];
	if (!strcmp(kind, "tcp-unconnected"))
		return socket(AF_INET, SOCK_STREAM, 0);
	if (!strcmp(kind, "tcp-listening"))
		return tcp_listener(&a);
	if (!strcmp(kind, "tcp") || !strcmp(kind, "tcp-shutdown") || !strcmp(kind, "udp-connected")) {
		int l = tcp_listener(&a);
		int s = socket(AF_INET, *kind == 'u' ? SOCK_DGRAM : SOCK_STREAM, 0);

		if (connect(s, (void *)&a, sizeof(a)))
			quit("can't connect");
		if (!strcmp(kind, "tcp-shutdown"))
			shutdown(s, SHUT_RDWR);
		(void)l;	/* kept open: the connection is in its queue */
		return s;
	}
	quit("no such kind of fd");
	return -1;
}

static void put_meta(struct genl_msg *m, const char *text)
{
	unsigned int major, minor;
	struct stat st;

	if (sscanf(text, "%u:%u", &major, &minor) != 2) {
		if (stat(text, &st))
			quit("no such metadata device");
		major = major(st.st_rdev);
		minor = minor(st.st_rdev);
	}
	genl_put32(m, DMO_A_META_MAJOR, major);
	genl_put32(m, DMO_A_META_MINOR, minor);
}

static void put_any(struct genl_msg *m, const char *text)
{
	static char zero[2048];
	int type = atoi(text);
	const char *v = strchr(text, '=');
	uint64_t n;

	if (!v)
		quit("attribute without a value");
	v++;
	n = strchr(v, ':') ? strtoull(strchr(v, ':') + 1, NULL, 0) : 0;
	if (!strncmp(v, "u32:", 4))
		genl_put32(m, type, (uint32_t)n);
	else if (!strncmp(v, "u64:", 4))
		genl_put(m, type, &n, 8);
	else if (!strncmp(v, "u8:", 3))
		genl_put(m, type, &n, 1);
	else if (!strcmp(v, "flag"))
		genl_put(m, type, NULL, 0);
	else if (!strncmp(v, "str:", 4))
		genl_put(m, type, v + 4, strlen(v + 4) + 1);
	else if (!strncmp(v, "bytes:", 6) && n <= sizeof(zero))
		genl_put(m, type, zero, n);
	else
		quit("no such type of attribute");
}

static int command(const char *text)
{
	static const char * const names[] = { "", "get", "attach", "detach", "switch", "set", "promote" };
	int i;

	for (i = 1; i < 7; i++)
		if (!strcmp(text, names[i]))
			return i;
	return atoi(text);
}

static int once(int argc, char **argv, int family, int version, int flags, int cut)
{
	struct genl_msg m;
	int i;

	genl_begin(&m, family, command(argv[0]), version, flags);
	for (i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "meta=", 5))
			put_meta(&m, argv[i] + 5);
		else if (!strncmp(argv[i], "fd=", 3))
			genl_put32(&m, DMO_A_LINK_FD, (uint32_t)make_fd(argv[i] + 3));
		else if (!strcmp(argv[i], "wanted"))
			genl_put(&m, DMO_A_LINK_WANTED, "", 0);
		else
			put_any(&m, argv[i]);
	}
	m.n.nlmsg_len -= (uint32_t)cut;
	if (genl_talk(&m, &answer)) {
		printf("error %d: %s\n", -answer.err, answer.text);
		return 1;
	}
	printf("ok cut=%llu.%llu\n", genl_getcut(&answer, DMO_A_CUT).epoch, genl_getcut(&answer, DMO_A_CUT).n);
	return 0;
}

int main(int argc, char **argv)
{
	int family = 0, version = DM_ORDERED_GENL_VERSION, flags = 0, cut = 0, i, rc;
	bool twice = false;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--dump"))
			flags = NLM_F_DUMP;
		else if (!strcmp(argv[i], "--twice"))
			twice = true;
		else if (i + 1 < argc && !strcmp(argv[i], "--version"))
			version = atoi(argv[++i]);
		else if (i + 1 < argc && !strcmp(argv[i], "--family"))
			family = atoi(argv[++i]);
		else if (i + 1 < argc && !strcmp(argv[i], "--short"))
			cut = atoi(argv[++i]);
		else
			quit("no such option");
	}
	if (i >= argc)
		quit("no command");
	if (!family) {
		if (genl_resolve())
			quit("no generic netlink family: is the module loaded?");
		family = genl_family;
	}
	rc = once(argc - i, argv + i, family, version, flags, cut);
	if (twice)
		rc = once(argc - i, argv + i, family, version, flags, cut);
	return rc;
}
