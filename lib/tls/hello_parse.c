#include <string.h>

#include "base/limits.h"
#include "tls/hello.h"
#include "tls/hello_wire.h"

#define ALERT_FATAL 2
#define ALERT_CLOSE_NOTIFY 0

/* RFC 8446 s4.1.3: SHA-256 of "HelloRetryRequest", in place of the random */
static const unsigned char retry_random[32] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
	0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c,
	0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };

void
hello_reader_init(struct hello_reader *reader, bool key_exchange)
{
	memset(reader, 0, sizeof(*reader));
	reader->key_exchange = key_exchange;
	buf_init(&reader->records, LIMIT_HELLO_BYTES);
	buf_init(&reader->messages, LIMIT_HELLO_BYTES);
}

void
hello_reader_fini(struct hello_reader *reader)
{
	buf_free(&reader->records);
	buf_free(&reader->messages);
}

static int
malformed(struct fail *why, const char *what)
{
	return fail_set(why, FAIL_TLS_HANDSHAKE, "%s", what);
}

/* --- reading bytes ------------------------------------------------------------------------------- */

/* Take n bytes off the front; false, and nothing is taken, when there are fewer. */
static bool
take(struct slice *in, size_t n, struct slice *out_r)
{
	if (in->n < n)
		return false;
	*out_r = slice_make(in->p, n);
	in->p += n;
	in->n -= n;
	return true;
}

/* A number of n (1 to 3) bytes. */
static bool
take_number(struct slice *in, size_t n, unsigned *number_r)
{
	struct slice bytes;

	if (!take(in, n, &bytes))
		return false;
	*number_r = 0;
	for (size_t i = 0; i < n; i++)
		*number_r = *number_r << 8 | (unsigned char)bytes.p[i];
	return true;
}

static bool
take_number16(struct slice *in, uint16_t *number_r)
{
	unsigned number;

	if (!take_number(in, 2, &number))
		return false;
	*number_r = (uint16_t)number;
	return true;
}

/* A vector whose length stands in length_bytes in front of it. */
static bool
take_vector(struct slice *in, size_t length_bytes, struct slice *out_r)
{
	struct slice rest = *in;
	unsigned n;

	if (!take_number(&rest, length_bytes, &n) || !take(&rest, n, out_r))
		return false;
	*in = rest;
	return true;
}

/* --- messages ------------------------------------------------------------------------------------ */

static bool
parse_extension(struct hello_answer *answer, uint16_t type, struct slice data)
{
	switch (type) {
	case HELLO_EXT_SUPPORTED_VERSIONS: /* RFC 8446 s4.2.1: selected_version */
		return take_number16(&data, &answer->version) && data.n == 0;
	case HELLO_EXT_KEY_SHARE: /* s4.2.8: selected_group; with the share when it is no retry */
		return take_number16(&data, &answer->group) &&
		       (answer->kind != HELLO_RETRY || data.n == 0);
	default:
		return true;
	}
}

static bool
parse_extensions(struct hello_answer *answer, struct slice in)
{
	struct slice list, data;
	uint16_t type;

	if (in.n == 0) /* before TLS 1.3 the list may be missing */
		return true;
	if (!take_vector(&in, 2, &list) || in.n != 0)
		return false;
	while (list.n > 0)
		if (!take_number16(&list, &type) || !take_vector(&list, 2, &data) ||
		    !parse_extension(answer, type, data))
			return false;
	return true;
}

static int
parse_server_hello(struct hello_reader *reader, struct slice in, struct fail *why)
{
	struct hello_answer answer = { .kind = HELLO_SERVER_HELLO };
	struct slice random, session_id, compression;

	if (!take_number16(&in, &answer.version) || !take(&in, 32, &random) ||
	    !take_vector(&in, 1, &session_id) || session_id.n > 32 ||
	    !take_number16(&in, &answer.suite) || !take(&in, 1, &compression))
		return malformed(why, "the ServerHello is malformed");
	if (memcmp(random.p, retry_random, sizeof(retry_random)) == 0)
		answer.kind = HELLO_RETRY;
	if (!parse_extensions(&answer, in))
		return malformed(why, "an extension of the ServerHello is malformed");
	reader->answer = answer;
	/* what follows in TLS 1.3 is encrypted */
	reader->done =
	    answer.kind == HELLO_RETRY || answer.version >= HELLO_TLS13 || !reader->key_exchange;
	return 0;
}

static bool
named(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Size in bits of a number whose first byte is the highest. */
static unsigned
bits(struct slice number)
{
	while (number.n > 0 && number.p[0] == 0)
		number = slice_sub(number, 1, number.n);
	if (number.n == 0)
		return 0;
	unsigned first = (unsigned char)number.p[0], n = 0;
	for (; first != 0; first >>= 1)
		n++;
	return n + (unsigned)(number.n - 1) * 8;
}

/*
 * RFC 5246 s7.4.3, RFC 8422 s5.4. Which form it has follows from the suite; those with PSK, where a
 * hint comes first, are not in our tables.
 */
static int
parse_key_exchange(struct hello_reader *reader, struct slice in, struct fail *why)
{
	struct hello_answer *answer = &reader->answer;
	const char *suite = hello_suite_name(answer->suite);
	struct slice prime, generator;
	unsigned type;
	bool ok = true;

	reader->done = true;
	if (suite == NULL)
		return 0;
	if (named(suite, "TLS_ECDHE_") || named(suite, "TLS_ECDH_anon_")) {
		/* 3 is named_curve; explicit curves have no number */
		ok =
		    take_number(&in, 1, &type) && (type != 3 || take_number16(&in, &answer->group));
	} else if (named(suite, "TLS_DHE_") || named(suite, "TLS_DH_anon_")) {
		ok = take_vector(&in, 2, &prime) && take_vector(&in, 2, &generator);
		answer->dh_bits = ok ? bits(prime) : 0;
		answer->group = ok ? hello_dh_group(prime, generator) : 0;
	}
	return ok ? 0 : malformed(why, "the ServerKeyExchange is malformed");
}

static int
parse_message(struct hello_reader *reader, unsigned type, struct slice body, struct fail *why)
{
	if (reader->answer.kind == HELLO_NOTHING) {
		if (type == 0 && body.n == 0) /* HelloRequest (RFC 5246 s7.4.1.1): ignored */
			return 0;
		if (type != HELLO_MESSAGE_SERVER_HELLO)
			return malformed(why, "a handshake message before the ServerHello");
		return parse_server_hello(reader, body, why);
	}
	if (type == HELLO_MESSAGE_KEY_EXCHANGE)
		return parse_key_exchange(reader, body, why);
	/* RFC 5246 s7.3: these come behind it */
	if (type == HELLO_MESSAGE_CERTIFICATE_REQUEST || type == HELLO_MESSAGE_HELLO_DONE)
		reader->done = true;
	return 0;
}

/* Every complete message of what was joined. */
static int
parse_messages(struct hello_reader *reader, struct fail *why)
{
	struct slice in = slice_make(reader->messages.data, reader->messages.len);

	while (!reader->done && in.n >= HELLO_MESSAGE_HEADER) {
		struct slice rest = in, body;
		unsigned type;
		take_number(&rest, 1, &type);
		if (!take_vector(&rest, 3, &body))
			break;
		if (parse_message(reader, type, body, why) != 0)
			return -1;
		in = rest;
	}
	buf_consume(&reader->messages, reader->messages.len - in.n);
	return 0;
}

/* --- records ------------------------------------------------------------------------------------- */

static int
parse_alert(struct hello_reader *reader, struct slice body, struct fail *why)
{
	if (body.n != 2)
		return malformed(why, "an alert is malformed");
	uint8_t level = (uint8_t)body.p[0], alert = (uint8_t)body.p[1];
	/* warnings such as unrecognized_name (RFC 6066 s3) are not the answer */
	if (level != ALERT_FATAL && alert != ALERT_CLOSE_NOTIFY)
		return 0;
	if (reader->answer.kind == HELLO_NOTHING)
		reader->answer = (struct hello_answer){
			.kind = HELLO_ALERT, .alert_level = level, .alert = alert
		};
	reader->done = true;
	return 0;
}

static int
parse_record(struct hello_reader *reader, unsigned type, struct slice body, struct fail *why)
{
	if (type == HELLO_RECORD_ALERT)
		return parse_alert(reader, body, why);
	if (body.n == 0)
		return malformed(why, "an empty handshake record");
	if (buf_append(&reader->messages, body.p, body.n) != 0)
		return malformed(why, "the server's handshake is too long");
	return parse_messages(reader, why);
}

/* The first bytes tell TLS from anything else before a record's length is believed. */
static int
check_header(struct slice in, struct fail *why)
{
	unsigned char type = (unsigned char)in.p[0];

	if ((type != HELLO_RECORD_HANDSHAKE && type != HELLO_RECORD_ALERT) ||
	    (in.n > 1 && in.p[1] != 3))
		return malformed(why, "the answer to the ClientHello is not TLS");
	if (in.n >= HELLO_RECORD_HEADER) {
		unsigned n = (unsigned)(unsigned char)in.p[3] << 8 | (unsigned char)in.p[4];
		if (n > HELLO_RECORD_MAX)
			return malformed(why, "a TLS record is too long");
	}
	return 0;
}

int
hello_feed(struct hello_reader *reader, struct slice data, struct fail *why)
{
	if (reader->done)
		return 1;
	if (data.n > LIMIT_HELLO_BYTES - reader->fed_bytes)
		return malformed(why, "the server's handshake is too long");
	reader->fed_bytes += data.n;
	buf_append(&reader->records, data.p, data.n);
	struct slice in = slice_make(reader->records.data, reader->records.len);
	while (!reader->done && in.n > 0) {
		struct slice rest = in, header, body;
		if (check_header(in, why) != 0)
			return -1;
		if (!take(&rest, 3, &header) || !take_vector(&rest, 2, &body))
			break;
		if (parse_record(reader, (unsigned char)header.p[0], body, why) != 0)
			return -1;
		in = rest;
	}
	buf_consume(&reader->records, reader->records.len - in.n);
	return reader->done ? 1 : 0;
}
