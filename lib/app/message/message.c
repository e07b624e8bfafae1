#include "app/message/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/message/envelope.h"
#include "app/message/header.h"
#include "app/message/header_rewrite.h"
#include "app/message/header_section.h"
#include "app/message/header_words.h"
#include "app/send/submit_text.h"
#include "app/shorten.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/io.h"

#define CHUNK_BYTES 16384
#define HEADER_ROOM_BYTES (64 * 1024) /* beside its own size, for what is added */

/* All that lives while one message is read; on the heap, since fibers have small stacks. */
struct intake {
	const struct message_options *options;
	struct message *message;
	struct submit_text text;
	struct submit_fold fold; /* of the header */
	struct buf lines;        /* out of text */
	struct buf folded;       /* out of fold, for the file */
	size_t line_bytes;       /* of the body's line being read */
	bool has_long, has_8bit; /* what the body has */
	struct header_section section;
	bool header_over;
	struct header header;
	const char *domain;
	char chunk[CHUNK_BYTES];
};

static int
write_folded(struct intake *in, struct slice text, struct fail *why)
{
	while (text.n > 0) {
		struct slice piece = slice_sub(text, 0, CHUNK_BYTES);
		buf_reset(&in->folded);
		submit_fold_feed(&in->fold, piece, &in->folded);
		if (in->folded.full)
			return fail_set(why, FAIL_INTERNAL, "no room for a folded line");
		if (tempfile_write(
			&in->message->text, slice_make(in->folded.data, in->folded.len), why) != 0)
			return -1;
		text = slice_sub(text, piece.n, text.n);
	}
	return 0;
}

/* A piece of the body, as it is; lines that are too long are dealt with at the end (app/shorten.h). */
static int
write_body(struct intake *in, struct slice text, struct fail *why)
{
	for (size_t at = 0; at < text.n;) {
		struct slice rest = slice_sub(text, at, text.n);
		size_t n = slice_find(rest, '\n');
		in->line_bytes += n;
		in->has_long |= in->line_bytes > LIMIT_TEXT_LINE_BYTES + 1; /* with its CR */
		if (n < rest.n) {
			in->line_bytes = 0;
			n++;
		}
		at += n;
	}
	in->has_8bit = in->has_8bit || !text_is_ascii(text);
	return tempfile_write(&in->message->text, text, why);
}

/* RFC 5322 s3.6.4: unique for ever: the time, and 64 random bits. */
static const char *
make_message_id(const char *domain, struct arena *arena)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = (uint64_t)getpid() << 32 ^ (uint64_t)clock_ms();
	return arena_printf(
	    arena, "<%" PRIx64 ".%016" PRIx64 "@%s>", (uint64_t)clock_wall_us(), random, domain);
}

static const char *
make_from(struct intake *in)
{
	struct message *message = in->message;
	struct buf out;
	const char *mailbox = message->sender, *name = in->options->full_name;

	if (mailbox[0] == '\0') /* a report has no author to name but us */
		mailbox = arena_printf(&message->arena, "MAILER-DAEMON@%s", in->domain);
	buf_init(&out, LIMIT_TEXT_LINE_BYTES * 2);
	/* the user database is asked for it only here: most messages have their From */
	if (name == NULL && in->options->named_by != NULL)
		name = identity_full_name(*in->options->named_by, &message->arena);
	header_mailbox_write(name, mailbox, &out);
	const char *from = arena_strdup(&message->arena, buf_str(&out));
	buf_free(&out);
	return from;
}

/* The id as it stands in the header, for the log: the first word, if it looks like one. */
static const char *
read_message_id(const struct header *header, struct arena *arena)
{
	const struct header_field *f = header_find(header, "Message-ID");

	if (f == NULL)
		return NULL;
	for (size_t i = 0; i < f->value.n; i++) {
		if (f->value.p[i] != '<')
			continue;
		struct slice id = slice_sub(f->value, i, f->value.n);
		id.n = slice_find(id, '>');
		return id.p + id.n < f->value.p + f->value.n ? arena_strndup(arena, id.p, id.n + 1)
							     : NULL;
	}
	return NULL;
}

/* The header section is complete: take it apart, complete it, write it. */
static int
header_done(struct intake *in, struct fail *why)
{
	struct message *message = in->message;
	struct header_additions add = { 0 };
	struct header_rewrite rewrite = { .domain = in->domain,
		.masquerade = in->options->masquerade };
	char date[64];
	struct buf out;

	size_t resent, resent_end;
	struct slice section = header_section_text(&in->section);

	header_parse(section, &message->arena, &in->header);
	if (!header_is_signed(&in->header))
		add.rewrite = &rewrite;
	text_date_rfc5322(in->options->time != 0 ? in->options->time : clock_wall(), date);
	add.date = date;
	add.message_id = make_message_id(in->domain, &message->arena);
	header_resent_block(&in->header, &resent, &resent_end);
	if (header_find(&in->header, "From") == NULL || resent < in->header.n)
		add.from = make_from(in);
	message->message_id = read_message_id(&in->header, &message->arena);
	if (message->message_id == NULL && header_find(&in->header, "Message-ID") == NULL)
		message->message_id = add.message_id;
	message->received_n = header_count(&in->header, "Received");
	const struct header_field *tls = header_find(&in->header, "TLS-Required");
	message->tls_required_no = tls != NULL && slice_is_case(slice_trim(tls->value), "No");

	/* encoded words and domains take room: of a sane header far less than this */
	buf_init(&out, 4 * section.n + HEADER_ROOM_BYTES);
	submit_fold_init(&in->fold, true);
	int rc = header_write(&in->header, &add, &out) != 0
		     ? fail_set(why, FAIL_MESSAGE_TOO_BIG, "header section is too big")
		     : write_folded(in, slice_make(out.data, out.len), why);
	buf_free(&out);
	message->header_bytes = message->text.bytes;
	message->header_8bit = in->fold.has_8bit;
	in->header_over = true;
	return rc;
}

/* Lines out of step 1, in any pieces. */
static int
take_lines(struct intake *in, struct slice text, struct fail *why)
{
	if (!in->header_over) {
		size_t used;
		switch (header_section_feed(&in->section, text, &used, why)) {
		case HEADER_SECTION_MORE:
			return 0;
		case HEADER_SECTION_OVER:
			break;
		default:
			return -1;
		}
		text = slice_sub(text, used, text.n);
		if (header_done(in, why) != 0)
			return -1;
		struct slice line = header_section_body(&in->section);
		if (line.n > 0 && write_body(in, line, why) != 0)
			return -1;
	}
	return text.n == 0 ? 0 : write_body(in, text, why);
}

/* 0: end of input. */
static ssize_t
read_some(struct intake *in, int fd, int64_t deadline, struct fail *why)
{
	for (;;) {
		if (io_wait(fd, IO_READ, deadline, why) != 0)
			return -1;
		ssize_t n = read(fd, in->chunk, sizeof(in->chunk));
		if (n >= 0)
			return n;
		if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
			return fail_errno(why, FAIL_NO_INPUT, "reading the message");
	}
}

/* Whether text follows a lone dot that ended the message: it is lost, and someone should know. */
static void
look_behind_dot(struct intake *in, int fd, bool more)
{
	if (!more && io_wait(fd, IO_READ, clock_ms(), NULL) == 0)
		more = read(fd, in->chunk, sizeof(in->chunk)) > 0;
	if (more)
		log_warn(
		    "a line of one dot ended the message; the text behind it is lost (use -i)");
}

static int
read_all(struct intake *in, int fd, int64_t deadline, struct fail *why)
{
	ssize_t n = 1;

	while (n > 0 && !in->text.ended) {
		if ((n = read_some(in, fd, deadline, why)) < 0)
			return -1;
		buf_reset(&in->lines);
		size_t used =
		    submit_text_feed(&in->text, slice_make(in->chunk, (size_t)n), &in->lines);
		if (n == 0)
			submit_text_end(&in->text, &in->lines);
		if (in->lines.full)
			return fail_set(why, FAIL_INTERNAL, "no room for a line");
		if (take_lines(in, slice_make(in->lines.data, in->lines.len), why) != 0)
			return -1;
		if (n > 0 && in->text.ended)
			look_behind_dot(in, fd, used < (size_t)n);
	}
	if (!in->header_over && header_done(in, why) != 0)
		return -1;
	in->message->has_8bit = in->message->header_8bit || in->has_8bit;
	if (in->text.nuls > 0)
		log_info("%" PRIu64 " NUL bytes deleted from the message", in->text.nuls);
	if (in->text.bare_crs > 0)
		log_info("%" PRIu64 " CR bytes inside of lines became spaces", in->text.bare_crs);
	if (in->fold.folds > 0)
		log_info("%" PRIu64 " long lines of the header cut", in->fold.folds);
	return in->has_long ? message_shorten(in->message, why) : 0;
}

int
message_read(int fd, const struct message_options *options, struct message *message_r,
    int64_t deadline, struct fail *why)
{
	int64_t max = options->max_bytes > 0 ? options->max_bytes : LIMIT_SUBMIT_BYTES;
	int rc = -1;

	memset(message_r, 0, sizeof(*message_r));
	message_r->text.fd = -1;
	if (!options->recipients_from_header && options->operand_n == 0)
		return fail_set(why, FAIL_NO_RECIPIENT, "no recipient: give addresses, or -t");
	arena_init(&message_r->arena);

	struct intake *in = mem_alloc(sizeof(*in));
	in->options = options;
	in->message = message_r;
	in->domain = envelope_domain(options, &message_r->arena);
	submit_text_init(&in->text, options->ignore_dots);
	buf_init(&in->lines, 2 * CHUNK_BYTES + 8);
	buf_init(&in->folded, 2 * CHUNK_BYTES + LIMIT_TEXT_LINE_BYTES);
	header_section_init(&in->section);
	if (envelope_sender(options, in->domain, message_r, why) == 0 &&
	    tempfile_open(&message_r->text, max, why) == 0 && read_all(in, fd, deadline, why) == 0)
		rc = envelope_recipients(options, &in->header, message_r, why);
	buf_free(&in->lines);
	buf_free(&in->folded);
	header_section_fini(&in->section);
	free(in);
	if (rc != 0)
		message_fini(message_r);
	return rc;
}

void
message_fini(struct message *message)
{
	tempfile_close(&message->text);
	arena_free(&message->arena);
	memset(message, 0, sizeof(*message));
	message->text.fd = -1;
}

void
message_reader_init(struct message_reader *reader, const struct message *message)
{
	reader->message = message;
	reader->offset = 0;
}

/* In place; space holds twice n. Returns the new length. */
static size_t
lf_to_crlf(char *space, size_t n)
{
	size_t lfs = 0, to;

	for (size_t i = 0; i < n; i++)
		lfs += space[i] == '\n';
	to = n + lfs;
	for (size_t i = n; i > 0 && to > i;) {
		char c = space[--i];
		space[--to] = c;
		if (c == '\n')
			space[--to] = '\r';
	}
	return n + lfs;
}

int
message_reader_next(
    struct message_reader *reader, char *space, size_t n, size_t *n_r, struct fail *why)
{
	const struct message *m = reader->message;
	int64_t left = (m->stored.lf ? m->stored.bytes : m->text.bytes) - reader->offset;
	ssize_t got;

	*n_r = 0;
	if (left == 0)
		return 0;
	if (m->stored.lf)
		n /= 2; /* every byte may be a LF */
	if ((uint64_t)left < n)
		n = (size_t)left;
	do {
		got = pread(m->text.fd, space, n, m->stored.offset + reader->offset);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail_errno(why, FAIL_STORAGE, "reading the temporary file of the message");
	if (got == 0 && n > 0)
		return fail_set(why, FAIL_STORAGE, "the temporary file of the message was cut");
	*n_r = m->stored.lf ? lf_to_crlf(space, (size_t)got) : (size_t)got;
	reader->offset += got;
	return 0;
}
