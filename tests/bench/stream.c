// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmostream listen PORT: take one connection, read what comes and throw it away; prints bytes=N.
 * dmostream send ADDRESS PORT BYTES: send as many; 0: without end. In pieces of 128 KiB, so that it is the network that
 * costs.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buf[128 << 10];

static int die(const char *what)
{
	fprintf(stderr, "dmostream: ");
	perror(what);
	return 1;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_port = htons((uint16_t)atoi(port));
	a.sin_addr.s_addr = host ? inet_addr(host) : htonl(INADDR_ANY);
	return a;
}

static int do_listen(const char *port)
{
	struct sockaddr_in a = address(NULL, port);
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1, c;
	unsigned long long bytes = 0;
	ssize_t n;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 1))
		return die("listen");
	c = accept(s, NULL, NULL);
	if (c < 0)
		return die("accept");
	while ((n = read(c, buf, sizeof(buf))) > 0)
		bytes += (unsigned long long)n;
	printf("bytes=%llu\n", bytes);
	return n < 0 ? die("read") : 0;
}

static int do_send(const char *host, const char *port, unsigned long long bytes)
{
	struct sockaddr_in a = address(host, port);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	unsigned long long left = bytes;
	size_t len;
	ssize_t n;

	if (connect(s, (struct sockaddr *)&a, sizeof(a)))
		return die("connect");
	while (!bytes || left) {
		len = bytes && left < sizeof(buf) ? left : sizeof(buf);
		n = write(s, buf, len);
		if (n < 0)
			return die("write");
		left -= (unsigned long long)n;
	}
	return 0;
}

int main(int argc, char **argv)
{
	memset(buf, 0x5a, sizeof(buf));
	if (argc == 3 && !strcmp(argv[1], "listen"))
		return do_listen(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "send"))
		return do_send(argv[2], argv[3], strtoull(argv[4], NULL, 0));
	fprintf(stderr, "usage: dmostream listen PORT | send ADDRESS PORT BYTES\n");
	return 2;
}
