#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "app/queue/item.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "smtp/address.h"

/* From a queue file to the message that deliver() takes. */

static int
set_recipient(const struct queue_rcpt *from, struct arena *arena, struct message_recipient *to,
    struct fail *why)
{
	struct smtp_path path;
	struct fail reason;

	if (smtp_mailbox_parse(slice_str(from->address), &path, &reason) != 0)
		return fail_set(why, FAIL_QUEUE_FILE, "%s", reason.text);
	to->mailbox = to->original = arena_strdup(arena, from->address);
	to->local = arena_slice(arena, path.local);
	to->domain = arena_slice(arena, path.domain);
	to->literal = path.literal;
	to->utf8 = !text_is_ascii(slice_str(to->local));
	to->notify = from->notify;
	to->orcpt = from->orcpt == NULL ? NULL : arena_strdup(arena, from->orcpt);
	return 0;
}

/* Where the body begins in the text as it is sent: behind the first empty line. */
static int
find_header_end(const struct queue_item *item, int64_t *bytes_r, struct fail *why)
{
	char chunk[4096];
	char before = '\n';

	*bytes_r = 0;
	for (int64_t at = 0; at < item->text_bytes;) {
		int64_t left = item->text_bytes - at;
		ssize_t n = pread(item->fd, chunk,
		    left < (int64_t)sizeof(chunk) ? (size_t)left : sizeof(chunk),
		    item->text_offset + at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return storage_fail(why, "queue file %s: read", item->id);
		for (ssize_t i = 0; i < n; i++) {
			*bytes_r += chunk[i] == '\n' ? 2 : 1;
			if (chunk[i] == '\n' && before == '\n')
				return 0;
			before = chunk[i];
		}
		at += n;
	}
	return 0;
}

int
queue_item_message(const struct queue_item *item, const size_t *rcpts, size_t n,
    struct message *message_r, struct fail *why)
{
	const struct queue_envelope *e = item->envelope;
	struct message *m = message_r;

	memset(m, 0, sizeof(*m));
	arena_init(&m->arena);
	m->sender = arena_strdup(&m->arena, e->sender);
	m->sender_utf8 = !text_is_ascii(slice_str(e->sender));
	/* RFC 6531 s3.2: a header with UTF-8 in it that came by SMTPUTF8 goes on by SMTPUTF8 only */
	if ((e->flags & QUEUE_SMTPUTF8) && (e->flags & QUEUE_HEADER_8BIT))
		m->sender_utf8 = true;
	m->recipients = arena_alloc(&m->arena, (n + 1) * sizeof(*m->recipients));
	m->recipient_n = n;
	m->text = (struct tempfile){ .fd = item->fd, .bytes = item->wire_bytes };
	m->stored.lf = true;
	m->stored.offset = item->text_offset;
	m->stored.bytes = item->text_bytes;
	m->has_8bit = (e->flags & QUEUE_8BITMIME) != 0;
	m->header_8bit = (e->flags & QUEUE_HEADER_8BIT) != 0;
	m->ret = e->ret;
	m->envid = e->envid == NULL ? NULL : arena_strdup(&m->arena, e->envid);
	m->require_tls = (e->flags & QUEUE_REQUIRETLS) != 0;
	m->tls_required_no = (e->flags & QUEUE_TLS_OPTIONAL) != 0;
	m->accepted_at = e->time;
	int rc = find_header_end(item, &m->header_bytes, why);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = set_recipient(&e->rcpts[rcpts[i]], &m->arena, &m->recipients[i], why);
	if (rc == 0)
		return 0;
	queue_item_message_fini(m);
	return fail_prefix(why, "queue file %s", item->id);
}

void
queue_item_message_fini(struct message *message)
{
	message->text.fd = -1;
	message_fini(message);
}
