#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/message/header.h"
#include "app/message/header_section.h"
#include "app/queue/system_paths.h"
#include "app/send/submit_text.h"
#include "app/store/storage.h"
#include "base/clock.h"
#include "base/limits.h"
#include "submit.h"

#define CHUNK_BYTES 65536

/* --- the spool ---------------------------------------------------------------------------------------- */

int
submit_spool_open(struct submit_spool *s, struct fail *why)
{
	*s = (struct submit_spool){ .incoming = -1, .reply = -1 };
	s->root = open(SYSTEM_SPOOL, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->root >= 0)
		s->incoming = openat(
		    s->root, SYSTEM_INCOMING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->incoming >= 0)
		return 0;
	int saved = errno;
	if (s->root >= 0)
		close(s->root);
	errno = saved;
	if (saved == EACCES)
		return fail_errno(why, FAIL_PERMISSION,
		    SYSTEM_SPOOL "/" SYSTEM_INCOMING
				 ": mxtls-submit has to be setgid mxtls (mode 2755)");
	return fail_errno(why, FAIL_CANT_CREATE, SYSTEM_SPOOL "/" SYSTEM_INCOMING);
}

void
submit_spool_close(struct submit_spool *s)
{
	if (s->tmp_name[0] != '\0')
		unlinkat(s->incoming, s->tmp_name, 0);
	if (s->reply_name[0] != '\0')
		unlinkat(s->incoming, s->reply_name, 0);
	if (s->reply >= 0)
		close(s->reply);
	close(s->incoming);
	close(s->root);
}

/* The group of the spool has to read what we made; it is ours already unless root runs us without the group. */
static int
give_to_group(const struct submit_spool *s, const char *path, struct fail *why)
{
	struct stat dir, st;

	if (fstat(s->incoming, &dir) != 0 ||
	    fstatat(s->incoming, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return storage_fail(why, "incoming");
	if (st.st_gid != dir.st_gid &&
	    fchownat(s->incoming, path, (uid_t)-1, dir.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
		return fail_errno(why, FAIL_PERMISSION, "incoming/%s", path);
	return 0;
}

int
submit_reply_make(struct submit_spool *s, const char *id, struct fail *why)
{
	snprintf(s->reply_name, sizeof(s->reply_name), SYSTEM_REPLY "%s", id);
	mode_t mask = umask(0);
	int rc = mkfifoat(s->incoming, s->reply_name, 0620);
	umask(mask);
	if (rc != 0) {
		rc = storage_fail(why, "incoming/%s", s->reply_name);
		s->reply_name[0] = '\0';
		return rc;
	}
	if (give_to_group(s, s->reply_name, why) != 0)
		return -1;
	s->reply = openat(
	    s->incoming, s->reply_name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	return s->reply < 0 ? storage_fail(why, "incoming/%s", s->reply_name) : 0;
}

/* --- what can be told before anything is taken over -------------------------------------------------- */

/* The sender is one address; everything else about it is the runner's to find out. */
static int
check_sender(const char *sender, struct arena *arena, struct fail *why)
{
	struct header_addresses list = { 0 };
	struct slice text = slice_trim(slice_str(sender));

	if (text.n == 0 || slice_is(text, "<>"))
		return 0;
	if (header_address_parse(text, LIMIT_SUBMIT_RECIPIENTS, arena, &list, why) != 0)
		return fail_prefix(why, "sender %.100s", sender);
	if (list.error_n > 0)
		return fail_set(why, FAIL_ADDRESS, "sender %.100s: %s", sender, list.errors[0].why);
	if (list.n != 1)
		return fail_set(why, FAIL_ADDRESS, "sender %.100s: expected one address", sender);
	return 0;
}

static int
check_recipients(
    const struct submission *s, struct slice section, struct arena *arena, struct fail *why)
{
	struct header_addresses list = { 0 };
	struct header header = { 0 };

	if (s->args.from_headers) {
		header_parse(section, arena, &header);
		if (header_recipients(&header, LIMIT_SUBMIT_RECIPIENTS, arena, &list, why) != 0)
			return -1;
	}
	for (size_t i = 0; i < s->args.operands.n; i++) {
		struct slice word = slice_str(s->args.operands.v[i]);
		/* all of them together: it is told how many there are */
		if (header_address_parse(word, LIMIT_SUBMIT_RECIPIENTS, arena, &list, why) != 0)
			return -1;
	}
	if (list.n > 0)
		return 0;
	if (list.error_n > 0)
		return fail_set(why, FAIL_ADDRESS, "%.*s: %s", (int)list.errors[0].source.n,
		    list.errors[0].source.p, list.errors[0].why);
	return fail_set(
	    why, FAIL_NO_RECIPIENT, "no recipient: neither argument nor To, Cc or Bcc names one");
}

/* --- the message ---------------------------------------------------------------------------------------- */

struct intake {
	struct submission *submission;
	struct storage_file *file;
	struct submit_text text;
	struct buf lines;
	struct header_section section;
	bool header_over;
	struct arena *arena;
	char chunk[CHUNK_BYTES];
};

static int
take_lines(struct intake *in, struct fail *why)
{
	struct slice lines = slice_make(in->lines.data, in->lines.len);
	size_t used;

	if (in->lines.full)
		return fail_set(why, FAIL_INTERNAL, "no room for a line");
	if (in->submission->args.from_headers && !in->header_over) {
		enum header_section_state state =
		    header_section_feed(&in->section, lines, &used, why);
		if (state == HEADER_SECTION_FAILED)
			return -1;
		in->header_over = state == HEADER_SECTION_OVER;
	}
	if (storage_file_text(in->file, lines, why) != 0)
		return -1;
	if (in->file->bytes > LIMIT_SUBMIT_BYTES)
		return fail_set(why, FAIL_MESSAGE_TOO_BIG, "message is bigger than %ld bytes",
		    LIMIT_SUBMIT_BYTES);
	return 0;
}

static void
note(struct intake *in, const char *text)
{
	struct strs *notes = &in->submission->args.ignored;

	if (notes->n < LIMIT_SUBMISSION_NOTES)
		strs_add(notes, in->arena, text);
}

static int
read_text(struct intake *in, struct fail *why)
{
	ssize_t n = 1;

	while (n > 0 && !in->text.ended) {
		if (submit_stopped)
			return fail_set(why, FAIL_CANCELLED, "stopped; nothing was stored");
		n = read(STDIN_FILENO, in->chunk, sizeof(in->chunk));
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n < 0)
			return fail_errno(why, FAIL_NO_INPUT, "reading the message");
		buf_reset(&in->lines);
		struct slice got = slice_make(in->chunk, (size_t)n);
		size_t used = submit_text_feed(&in->text, got, &in->lines);
		if (n == 0)
			submit_text_end(&in->text, &in->lines);
		if (take_lines(in, why) != 0)
			return -1;
		if (used < got.n)
			note(in, "a line of one dot ended the message; the text behind it is lost "
				 "(use -i)");
	}
	if (in->text.nuls > 0)
		note(in, arena_printf(in->arena, "%" PRIu64 " NUL bytes deleted from the message",
			     in->text.nuls));
	if (in->text.bare_crs > 0)
		note(in,
		    arena_printf(in->arena, "%" PRIu64 " CR bytes inside of lines became spaces",
			in->text.bare_crs));
	return storage_file_text_end(in->file, why);
}

static int
take_message(struct submission *s, struct storage_file *file, bool ignore_dots, struct arena *arena,
    struct fail *why)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (in == NULL)
		return fail_errno(why, FAIL_OS, "memory");
	in->submission = s;
	in->file = file;
	in->arena = arena;
	submit_text_init(&in->text, ignore_dots);
	buf_init(&in->lines, 2 * CHUNK_BYTES + 8);
	header_section_init(&in->section);
	int rc = read_text(in, why);
	if (rc == 0)
		rc = check_recipients(s, header_section_text(&in->section), arena, why);
	header_section_fini(&in->section);
	buf_free(&in->lines);
	free(in);
	return rc;
}

/* --- the file ------------------------------------------------------------------------------------------- */

static int
begin(struct submit_spool *spool, struct submission *s, struct storage_file *file, struct fail *why)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return storage_fail(why, "getrandom");
	queue_id_make(s->id, clock_wall_us(), random);
	s->time = clock_wall();
	snprintf(spool->tmp_name, sizeof(spool->tmp_name), SYSTEM_TMP "%s", s->id);
	storage_file_init(file);
	file->checksum = true;
	if (storage_file_create(file, spool->incoming, spool->tmp_name, why) != 0) {
		spool->tmp_name[0] = '\0';
		return -1;
	}
	/* the sweep takes only what is not locked */
	if (flock(file->fd, LOCK_EX | LOCK_NB) != 0 || fchmod(file->fd, 0640) != 0)
		return storage_fail(why, "incoming/%s", spool->tmp_name);
	return give_to_group(spool, spool->tmp_name, why);
}

static int
end(const struct submission *s, struct storage_file *file, struct fail *why)
{
	char trailer[SUBMISSION_TRAILER_BYTES + 1];
	uint64_t text_bytes = file->bytes;
	struct buf head;

	buf_init(&head, LIMIT_SUBMISSION_HEAD_BYTES);
	int rc = submission_format(&head, s, why);
	if (rc == 0)
		rc = storage_file_put(file, slice_make(head.data, head.len), why);
	buf_free(&head);
	if (rc != 0)
		return rc;
	submission_trailer_format(trailer, text_bytes, file->crc);
	return storage_file_put(file, slice_str(trailer), why) != 0 ? -1
								    : storage_file_flush(file, why);
}

/* DECISIONS E37: the file, its name, the name's directory; each is on the disk before the next. */
static int
commit(struct submit_spool *spool, const struct submission *s, int fd, struct fail *why)
{
	if (fsync(fd) != 0)
		return storage_fail(why, "incoming/%s: fsync", spool->tmp_name);
	if (submit_stopped)
		return fail_set(why, FAIL_CANCELLED, "stopped; nothing was stored");
	if (renameat(spool->incoming, spool->tmp_name, spool->incoming, s->id) != 0)
		return storage_fail(why, "incoming/%s: rename", spool->tmp_name);
	spool->tmp_name[0] = '\0';
	if (fsync(spool->incoming) == 0)
		return 0;
	int rc = storage_fail(why, "incoming: fsync");
	/* the runner may have it already: then it is taken over, whatever the disk says */
	return unlinkat(spool->incoming, s->id, 0) == 0 ? rc : 0;
}

int
submit_store(struct submit_spool *spool, struct submission *s, bool ignore_dots, struct fail *why)
{
	struct storage_file file = { .fd = -1 };
	struct arena arena;
	int rc = 0;

	arena_init(&arena);
	if (s->args.sender != NULL)
		rc = check_sender(s->args.sender, &arena, why);
	if (rc == 0 && s->kind == SUBMISSION_SEND)
		rc = submit_room(spool, 0, why);
	if (rc == 0)
		rc = begin(spool, s, &file, why);
	if (rc == 0 && s->reply)
		rc = submit_reply_make(spool, s->id, why);
	if (rc == 0 && s->kind == SUBMISSION_SEND)
		rc = take_message(s, &file, ignore_dots, &arena, why);
	/* what is written is no longer free, and counts as our caller's */
	if (rc == 0 && s->kind == SUBMISSION_SEND && file.bytes > STORAGE_BUFFER_BYTES)
		rc = submit_room(spool, 0, why);
	if (rc == 0)
		rc = end(s, &file, why);
	if (rc == 0)
		rc = commit(spool, s, file.fd, why);
	storage_file_close(&file);
	s->args.ignored.n = 0; /* they lived in arena */
	arena_free(&arena);
	return rc;
}
