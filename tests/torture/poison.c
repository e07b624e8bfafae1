/*
 * A message that kills whoever delivers it (LD_PRELOAD): abort() as soon as something with TORTURE_POISON in it goes out.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void
look(const void *data, size_t n)
{
	const char *poison = getenv("TORTURE_POISON");

	if (poison != NULL && memmem(data, n, poison, strlen(poison)) != NULL)
		abort();
}

ssize_t
write(int fd, const void *data, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "write");
	if (fd > 2)
		look(data, n);
	return real(fd, data, n);
}

ssize_t
send(int fd, const void *data, size_t n, int flags)
{
	static ssize_t (*real)(int, const void *, size_t, int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "send");
	look(data, n);
	return real(fd, data, n, flags);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	static ssize_t (*real)(int, const struct msghdr *, int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "sendmsg");
	for (size_t i = 0; i < m->msg_iovlen; i++)
		look(m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
	return real(fd, m, flags);
}
