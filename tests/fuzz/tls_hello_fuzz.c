/*
 * Hellos. First byte: offer and key_exchange; second: size of the pieces. The rest is a server's
 * answer: it must give the same whole and in pieces. The same bytes make an offer, whose lengths
 * must all add up.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "tls/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
parse(const uint8_t *data, size_t size, size_t piece, bool key_exchange, struct hello_answer *out)
{
	struct hello_reader reader;
	struct fail why;
	int ret = 0;

	hello_reader_init(&reader, key_exchange);
	for (size_t at = 0; ret == 0 && at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		ret = hello_feed(&reader, slice_make((const char *)data + at, n), &why);
	}
	if (ret == 1 && reader.answer.kind == HELLO_NOTHING)
		abort();
	if (reader.answer.kind == HELLO_ALERT && reader.answer.version != 0)
		abort();
	*out = reader.answer;
	hello_reader_fini(&reader);
	return ret;
}

static size_t
number(const struct buf *b, size_t at, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)b->data[at + i];
	return n;
}

/* Record, message, and each vector of the ClientHello end where the one around them says. */
static void
check_lengths(const struct buf *b, const struct hello_offer *offer)
{
	size_t at = 9 + 34;

	if (number(b, 3, 2) != b->len - 5 || number(b, 6, 3) != b->len - 9)
		abort();
	at += 1 + number(b, at, 1);
	at += 2 + number(b, at, 2);
	at += 2;
	if (!offer->extensions) {
		if (at != b->len)
			abort();
		return;
	}
	if (number(b, at, 2) != b->len - at - 2)
		abort();
	at += 2;
	while (at < b->len)
		at += 4 + number(b, at + 2, 2);
	if (at != b->len)
		abort();
}

static void
build(const uint8_t *data, size_t size, unsigned flags)
{
	struct hello_offer offer;
	unsigned char random[96] = { 0 };
	uint16_t numbers[2000];
	char name[256] = "";
	struct buf out;

	memcpy(random, data, size < sizeof(random) ? size : sizeof(random));
	hello_offer_init(&offer, (uint16_t)(HELLO_SSL3 + flags % 5), random);
	size_t n = size / 2 < 2000 ? size / 2 : 2000;
	memcpy(numbers, data, n * 2);
	offer.suites = numbers;
	offer.suites_n = n;
	offer.groups = numbers;
	offer.groups_n = (flags & 0x20) != 0 ? n : 0;
	memcpy(name, data, size < 255 ? size : 255);
	offer.server_name = (flags & 0x40) != 0 ? name : NULL;
	offer.alpn_smtp = (flags & 0x80) != 0;
	if ((flags & 0x10) != 0)
		offer.key_share = HELLO_KEY_SHARE_EMPTY;
	buf_init(&out, 1 + (size_t)flags * 100);
	if (hello_build(&offer, &out, NULL) == 0)
		check_lengths(&out, &offer);
	else if (n > 0 && !out.full)
		abort();
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello_answer whole, pieces;
	char name[HELLO_NAME_BYTES], alert[32];

	if (size < 2)
		return 0;
	bool key_exchange = (data[0] & 1) != 0;
	build(data + 2, size - 2, data[0]);
	int a = parse(data + 2, size - 2, size, key_exchange, &whole);
	int b = parse(data + 2, size - 2, data[1] + 1U, key_exchange, &pieces);
	/* too long is a matter of all that was fed */
	if (size < LIMIT_HELLO_BYTES &&
	    (a != b || whole.kind != pieces.kind || whole.alert != pieces.alert ||
		whole.version != pieces.version || whole.suite != pieces.suite ||
		whole.group != pieces.group || whole.dh_bits != pieces.dh_bits))
		abort();
	hello_suite_str(whole.suite, name);
	hello_group_str(whole.group, name);
	hello_alert_str(whole.alert, alert);
	return 0;
}
