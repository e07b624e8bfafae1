#include <string.h>

#include "app/store/commit_wire.h"

struct head {
	uint64_t id;
	uint32_t steps;
	uint32_t files;
};

struct entry {
	int64_t stamp_ns;
	uint32_t data_len;
	uint16_t fd, tmp_dirfd, dst_dirfd; /* indexes */
	uint8_t is_data;                   /* fd is of data, not of the file */
	uint8_t tmp_len, dst_len;          /* names follow, without NUL */
	uint8_t unused[3];                 /* no bytes of padding that nobody set */
};

/* A compromised worker must not reach out of the directories whose descriptors it has. */
static bool
is_component(const char *p, size_t n)
{
	if (n == 0 || n > NAME_MAX || memchr(p, '/', n) != NULL || memchr(p, '\0', n) != NULL)
		return false;
	return !(p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.')));
}

static uint16_t
fd_index(int fd, int *fds, size_t *n)
{
	size_t i = 0;

	while (i < *n && fds[i] != fd)
		i++;
	if (i == *n)
		fds[(*n)++] = fd;
	return (uint16_t)i;
}

int
commit_packet_format(struct buf *out, uint64_t id, unsigned steps, const struct commit_file *files,
    size_t n, int *fds_r, size_t *fds_n_r)
{
	struct head head = { id, steps, (uint32_t)n };

	*fds_n_r = 0;
	if (n == 0 || n > COMMIT_PACKET_FILES)
		return -1;
	buf_append(out, &head, sizeof(head));
	for (size_t i = 0; i < n; i++) {
		const struct commit_file *f = &files[i];
		size_t tmp_len = strlen(f->tmp_name), dst_len = strlen(f->dst_name);
		if (!is_component(f->tmp_name, tmp_len) || !is_component(f->dst_name, dst_len))
			return -1;
		struct entry entry = {
			.stamp_ns = f->stamp_ns,
			.data_len = (uint32_t)f->data.n,
			.is_data = f->fd < 0,
			.fd = fd_index(f->fd < 0 ? f->from : f->fd, fds_r, fds_n_r),
			.tmp_dirfd = fd_index(f->tmp_dirfd, fds_r, fds_n_r),
			.dst_dirfd = fd_index(f->dst_dirfd, fds_r, fds_n_r),
			.tmp_len = (uint8_t)tmp_len,
			.dst_len = (uint8_t)dst_len,
		};
		buf_append(out, &entry, sizeof(entry));
		buf_append(out, f->tmp_name, tmp_len);
		buf_append(out, f->dst_name, dst_len);
	}
	return out->full ? -1 : 0;
}

/* Cut a name off the front of *rest and keep it as a string. */
static const char *
take_name(struct slice *rest, size_t len, char **store)
{
	char *name = *store;

	if (rest->n < len || !is_component(rest->p, len))
		return NULL;
	memcpy(name, rest->p, len);
	name[len] = '\0';
	*store += len + 1;
	*rest = slice_sub(*rest, len, rest->n);
	return name;
}

static bool
parse_file(struct slice *rest, struct commit_packet *p, struct commit_file *f, char **store)
{
	struct entry entry;

	if (rest->n < sizeof(entry))
		return false;
	memcpy(&entry, rest->p, sizeof(entry));
	*rest = slice_sub(*rest, sizeof(entry), rest->n);
	if (entry.fd >= p->fds_n || entry.tmp_dirfd >= p->fds_n || entry.dst_dirfd >= p->fds_n)
		return false;
	if (entry.data_len > COMMIT_DATA_BYTES)
		return false;
	f->fd = entry.is_data ? -1 : p->fds[entry.fd];
	f->from = entry.is_data ? p->fds[entry.fd] : -1;
	f->made = -1;
	f->data = slice_make(NULL, entry.data_len);
	f->stamp_ns = entry.stamp_ns;
	f->tmp_dirfd = p->fds[entry.tmp_dirfd];
	f->dst_dirfd = p->fds[entry.dst_dirfd];
	f->tmp_name = take_name(rest, entry.tmp_len, store);
	f->dst_name = f->tmp_name == NULL ? NULL : take_name(rest, entry.dst_len, store);
	return f->dst_name != NULL;
}

bool
commit_packet_parse(struct slice packet, struct commit_packet *p)
{
	struct head head;
	char *store = p->names;

	memset(&p->req, 0, sizeof(p->req));
	p->req.files = p->storage;
	if (packet.n < sizeof(head))
		return false;
	memcpy(&head, packet.p, sizeof(head));
	p->req.id = head.id;
	p->req.steps = head.steps;
	if (head.files == 0 || head.files > COMMIT_PACKET_FILES)
		return false;
	packet = slice_sub(packet, sizeof(head), packet.n);
	for (size_t i = 0; i < head.files; i++)
		if (!parse_file(&packet, p, &p->storage[i], &store))
			return false;
	p->req.n = head.files;
	return packet.n == 0;
}
