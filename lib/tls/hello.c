#include "tls/hello.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/socket.h"
#include "tls/hello_wire.h"

#define READ_CHUNK 2048 /* on the stack of a fiber */

/* What certificates and handshakes of any age are signed with (RFC 8446 s4.2.3, RFC 5246 s7.4.1.4.1). */
static const uint16_t signatures[] = {
	0x0403, 0x0503, 0x0603, /* ecdsa */
	0x0807, 0x0808,         /* ed25519, ed448 */
	0x0804, 0x0805, 0x0806, /* rsa_pss_rsae */
	0x0809, 0x080a, 0x080b, /* rsa_pss_pss */
	0x0401, 0x0501, 0x0601, /* rsa_pkcs1 */
	0x081a, 0x081b, 0x081c, /* ecdsa with brainpool */
	0x0904, 0x0905, 0x0906, /* mldsa */
	0x0303, 0x0301, 0x0302, /* SHA-224 */
	0x0203, 0x0201, 0x0202, /* SHA-1 */
	0x0402, 0x0502, 0x0602, /* dsa */
	0x0101                  /* rsa with MD5 */
};

static const uint16_t version_tls13[] = { HELLO_TLS13 };

void
hello_offer_init(struct hello_offer *offer, uint16_t version, const unsigned char random[96])
{
	memset(offer, 0, sizeof(*offer));
	/* RFC 8446 s5.1: the first record says 1.0 for the sake of old servers */
	offer->record_version = version < HELLO_TLS10 ? version : HELLO_TLS10;
	offer->client_version = version < HELLO_TLS12 ? version : HELLO_TLS12;
	memcpy(offer->random, random, 32);
	offer->renegotiation_info = true;
	if (version == HELLO_SSL3)
		return;
	offer->extensions = true;
	offer->point_formats = true;
	offer->extended_master_secret = version < HELLO_TLS13;
	if (version >= HELLO_TLS12) {
		offer->signatures = signatures;
		offer->signatures_n = sizeof(signatures) / sizeof(signatures[0]);
	}
	if (version < HELLO_TLS13)
		return;
	/* RFC 8446 sD.4: middleboxes expect a session id */
	memcpy(offer->session_id, random + 32, 32);
	offer->session_id_n = 32;
	offer->versions = version_tls13;
	offer->versions_n = 1;
	offer->key_share = HELLO_KEY_SHARE_X25519;
	memcpy(offer->key, random + 64, 32);
}

/* --- building ------------------------------------------------------------------------------------ */

static void
put8(struct buf *out, unsigned value)
{
	buf_putc(out, (char)(unsigned char)value);
}

static void
put16(struct buf *out, unsigned value)
{
	put8(out, value >> 8);
	put8(out, value & 0xff);
}

/* A vector: leave room for its length, and fill it in when its end is known. */
static size_t
vector_begin(struct buf *out, unsigned length_bytes)
{
	for (unsigned i = 0; i < length_bytes; i++)
		put8(out, 0);
	return out->len;
}

static void
vector_end(struct buf *out, size_t start, unsigned length_bytes)
{
	size_t n = out->len - start;

	if (out->full)
		return;
	for (unsigned i = 1; i <= length_bytes; i++, n >>= 8)
		out->data[start - i] = (char)(unsigned char)(n & 0xff);
}

static void
put_numbers(struct buf *out, const uint16_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put16(out, numbers[i]);
}

static size_t
extension_begin(struct buf *out, unsigned type)
{
	put16(out, type);
	return vector_begin(out, 2);
}

/* An extension that is one vector of numbers. */
static void
extension_numbers(
    struct buf *out, unsigned type, const uint16_t *numbers, size_t n, unsigned length_bytes)
{
	if (n == 0)
		return;
	size_t extension = extension_begin(out, type);
	size_t list = vector_begin(out, length_bytes);
	put_numbers(out, numbers, n);
	vector_end(out, list, length_bytes);
	vector_end(out, extension, 2);
}

static void
extension_bytes(struct buf *out, unsigned type, const void *bytes, size_t n)
{
	size_t extension = extension_begin(out, type);

	buf_append(out, bytes, n);
	vector_end(out, extension, 2);
}

/* RFC 6066 s3: one host_name. */
static void
extension_server_name(struct buf *out, const char *name)
{
	size_t extension = extension_begin(out, HELLO_EXT_SERVER_NAME);
	size_t list = vector_begin(out, 2);

	put8(out, 0);
	size_t host = vector_begin(out, 2);
	buf_append(out, name, strlen(name));
	vector_end(out, host, 2);
	vector_end(out, list, 2);
	vector_end(out, extension, 2);
}

static void
extension_key_share(struct buf *out, const struct hello_offer *offer)
{
	size_t extension = extension_begin(out, HELLO_EXT_KEY_SHARE);
	size_t list = vector_begin(out, 2);

	if (offer->key_share == HELLO_KEY_SHARE_X25519) {
		put16(out, HELLO_GROUP_X25519);
		size_t key = vector_begin(out, 2);
		buf_append(out, offer->key, sizeof(offer->key));
		vector_end(out, key, 2);
	}
	vector_end(out, list, 2);
	vector_end(out, extension, 2);
}

static void
put_extensions(struct buf *out, const struct hello_offer *offer)
{
	size_t list = vector_begin(out, 2);

	if (offer->server_name != NULL)
		extension_server_name(out, offer->server_name);
	if (offer->extended_master_secret)
		extension_bytes(out, HELLO_EXT_EXTENDED_MASTER_SECRET, "", 0);
	if (offer->renegotiation_info) /* an empty renegotiated_connection */
		extension_bytes(out, HELLO_EXT_RENEGOTIATION_INFO, "\0", 1);
	extension_numbers(out, HELLO_EXT_SUPPORTED_GROUPS, offer->groups, offer->groups_n, 2);
	if (offer->point_formats) /* a list of one: uncompressed (RFC 8422 s5.1.2) */
		extension_bytes(out, HELLO_EXT_POINT_FORMATS, "\1\0", 2);
	extension_numbers(
	    out, HELLO_EXT_SIGNATURE_ALGORITHMS, offer->signatures, offer->signatures_n, 2);
	if (offer->alpn_smtp)
		extension_bytes(out, HELLO_EXT_ALPN, "\0\5\4smtp", 7);
	extension_numbers(out, HELLO_EXT_SUPPORTED_VERSIONS, offer->versions, offer->versions_n, 1);
	if (offer->key_share != HELLO_KEY_SHARE_NONE)
		extension_key_share(out, offer);
	vector_end(out, list, 2);
}

int
hello_build(const struct hello_offer *offer, struct buf *out, struct fail *why)
{
	if (offer->suites_n == 0)
		return fail_set(why, FAIL_INTERNAL, "a ClientHello without cipher suites");
	put8(out, HELLO_RECORD_HANDSHAKE);
	put16(out, offer->record_version);
	size_t record = vector_begin(out, 2);
	put8(out, HELLO_MESSAGE_CLIENT_HELLO);
	size_t message = vector_begin(out, 3);
	put16(out, offer->client_version);
	buf_append(out, offer->random, sizeof(offer->random));
	size_t id = vector_begin(out, 1);
	buf_append(out, offer->session_id, offer->session_id_n);
	vector_end(out, id, 1);
	size_t suites = vector_begin(out, 2);
	put_numbers(out, offer->suites, offer->suites_n);
	if (!offer->extensions && offer->renegotiation_info)
		put16(out, HELLO_SUITE_RENEGOTIATION);
	vector_end(out, suites, 2);
	put16(out, 0x0100); /* compression: a list of one, null */
	if (offer->extensions)
		put_extensions(out, offer);
	vector_end(out, message, 3);
	vector_end(out, record, 2);
	if (out->full || out->len - record > HELLO_RECORD_MAX)
		return fail_set(why, FAIL_INTERNAL, "the ClientHello is too long");
	return 0;
}

/* --- asking -------------------------------------------------------------------------------------- */

static int
send_hello(int fd, const struct hello_offer *offer, int64_t deadline, struct fail *why)
{
	struct buf out;

	buf_init(&out, HELLO_RECORD_HEADER + HELLO_RECORD_MAX);
	int ret = hello_build(offer, &out, why);
	if (ret == 0)
		ret = socket_write(fd, out.data, out.len, deadline, why);
	buf_free(&out);
	return ret;
}

static int
read_answer(int fd, struct hello_reader *reader, int64_t deadline, struct fail *why)
{
	char chunk[READ_CHUNK];

	for (;;) {
		ssize_t got = socket_read(fd, chunk, sizeof(chunk), deadline, why);
		if (got < 0)
			return -1;
		if (got == 0)
			return fail_set(
			    why, FAIL_EOF, "closed without an answer to the ClientHello");
		int done = hello_feed(reader, slice_make(chunk, (size_t)got), why);
		if (done != 0)
			return done < 0 ? -1 : 0;
	}
}

int
hello_ask(int fd, const struct hello_offer *offer, bool key_exchange, struct hello_answer *answer_r,
    int64_t deadline, struct fail *why)
{
	struct hello_reader reader;

	hello_reader_init(&reader, key_exchange);
	int ret = send_hello(fd, offer, deadline, why);
	if (ret == 0)
		ret = read_answer(fd, &reader, deadline, why);
	/* what the ServerHello said stays said, whatever became of the rest of the flight */
	if (ret != 0 && reader.answer.kind != HELLO_NOTHING &&
	    (why == NULL || why->code != FAIL_CANCELLED)) {
		ret = 0;
		fail_clear(why);
	}
	*answer_r = reader.answer;
	hello_reader_fini(&reader);
	return ret;
}

void
hello_close(int fd)
{
	static const unsigned char farewell[] = { HELLO_RECORD_ALERT, 3, 3, 0, 2, 1,
		90 /* user_canceled */, HELLO_RECORD_ALERT, 3, 3, 0, 2, 1, 0 /* close_notify */ };

	send(fd, farewell, sizeof(farewell), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}
