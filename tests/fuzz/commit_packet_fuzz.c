#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/store/commit_wire.h"
#include "base/mem.h"

/*
 * Byte 0: how many descriptors came with it; the rest is a packet. Whatever parses names one path
 * component each and descriptors that came.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_name(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		abort();
}

static void
check_fd(const struct commit_packet *p, int fd)
{
	if (fd < 1000 || fd >= 1000 + (int)p->fds_n)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct commit_packet *p;

	if (size == 0 || size > COMMIT_PACKET_BYTES)
		return 0;
	p = mem_alloc(sizeof(*p));
	p->fds_n = data[0] <= COMMIT_PACKET_FDS ? data[0] : COMMIT_PACKET_FDS;
	for (size_t i = 0; i < p->fds_n; i++)
		p->fds[i] = 1000 + (int)i;
	if (commit_packet_parse(slice_make((const char *)data + 1, size - 1), p)) {
		if (p->req.n == 0 || p->req.n > COMMIT_PACKET_FILES)
			abort();
		for (size_t i = 0; i < p->req.n; i++) {
			check_name(p->req.files[i].tmp_name);
			check_name(p->req.files[i].dst_name);
			const struct commit_file *f = &p->req.files[i];
			if (f->fd >= 0 ? f->from != -1 : f->data.n > COMMIT_DATA_BYTES)
				abort();
			check_fd(p, f->fd >= 0 ? f->fd : f->from);
			check_fd(p, p->req.files[i].tmp_dirfd);
			check_fd(p, p->req.files[i].dst_dirfd);
		}
	}
	free(p);
	return 0;
}
