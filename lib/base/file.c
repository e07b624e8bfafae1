#include "base/file.h"

#include <errno.h>
#include <unistd.h>

int
file_read_all(int fd, struct buf *out)
{
	for (;;) {
		char *to = buf_reserve(out, FILE_BLOCK_BYTES);
		if (to == NULL) {
			errno = EFBIG;
			return -1;
		}
		ssize_t n = read(fd, to, FILE_BLOCK_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		buf_commit(out, (size_t)n);
	}
}

int
file_write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}
