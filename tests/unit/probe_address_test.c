#include "app/probe/address.h"
#include "test.h"

TEST(only_what_stayed_unknown_is_tried_again)
{
	static const struct {
		enum host_status status;
		enum starttls_state state;
		bool again;
	} rows[] = {
		{ HOST_TEMPORARY, STARTTLS_UNKNOWN, true },
		{ HOST_REJECTED, STARTTLS_UNKNOWN, true },
		{ HOST_IO_TIMEOUT, STARTTLS_UNKNOWN, true },
		{ HOST_IO_TIMEOUT, STARTTLS_OFFERED, true },
		{ HOST_IO_TIMEOUT, STARTTLS_FAILED, true },
		{ HOST_CLOSED, STARTTLS_UNKNOWN, true },
		{ HOST_CLOSED, STARTTLS_OFFERED, true },
		{ HOST_CONNECT_TIMEOUT, STARTTLS_UNKNOWN, true },
		{ HOST_CONNECT_REFUSED, STARTTLS_UNKNOWN, true },
		{ HOST_PROTOCOL_ERROR, STARTTLS_UNKNOWN, true },
		{ HOST_APPLICATION_ERROR, STARTTLS_UNKNOWN, true },
		{ HOST_LINE_TOO_LONG, STARTTLS_UNKNOWN, true },
		{ HOST_TEMPORARY, STARTTLS_REFUSED, true }, /* 454 */
		/* no packet leaves, or we have decided so */
		{ HOST_CONNECT_UNREACHABLE, STARTTLS_UNKNOWN, false },
		{ HOST_BLOCKLISTED, STARTTLS_UNKNOWN, false },
		{ HOST_CANCELLED, STARTTLS_UNKNOWN, false },
		{ HOST_NOT_TRIED, STARTTLS_UNKNOWN, false },
		/* measured */
		{ HOST_SUCCESS, STARTTLS_NOT_OFFERED, false },
		{ HOST_CLOSED, STARTTLS_NOT_OFFERED, false },
		{ HOST_HANDSHAKE_ERROR, STARTTLS_FAILED, false },
		{ HOST_PROTOCOL_ERROR, STARTTLS_FAILED, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct host_facts facts;
		TEST_ROW(
		    "%s, %s", host_status_str(rows[i].status), starttls_state_str(rows[i].state));
		facts_init_host_facts(&facts);
		facts.status = rows[i].status;
		facts.starttls_state = rows[i].state;
		CHECK_INT(probe_worth_retry(&facts), rows[i].again);
	}
}

TEST(the_second_session_asks_for_the_other_kind_of_certificate)
{
	static const struct {
		enum tri complete;
		enum key_type leaf, other;
	} rows[] = {
		{ TRI_YES, KEY_RSA, KEY_ECDSA },
		{ TRI_YES, KEY_ECDSA, KEY_RSA },
		{ TRI_YES, KEY_EDDSA, KEY_RSA },
		{ TRI_YES, KEY_OTHER, KEY_RSA },
		{ TRI_NO, KEY_RSA, KEY_ANY },
		{ TRI_UNKNOWN, KEY_RSA, KEY_ANY },
	};
	char leaf[] = "aa", issuer[] = "bb";
	char *chain[] = { leaf, issuer };
	struct cert_facts certs[2];
	struct tls_facts tls;
	struct host_facts facts;

	facts_init_host_facts(&facts);
	CHECK_INT(probe_other_key(&facts, NULL, 0), KEY_ANY);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%zu", i);
		facts_init_tls_facts(&tls);
		facts_init_cert_facts(&certs[0]);
		facts_init_cert_facts(&certs[1]);
		certs[0].fingerprint = issuer;
		certs[0].key_type = KEY_RSA;
		certs[1].fingerprint = leaf;
		certs[1].key_type = rows[i].leaf;
		tls.complete = rows[i].complete;
		tls.chain = (struct strs){ chain, 2, 2 };
		facts.tls = &tls;
		facts.tls_n = 1;
		CHECK_INT(probe_other_key(&facts, certs, 2), rows[i].other);
		CHECK_INT(probe_other_key(&facts, certs, 1), KEY_ANY); /* the leaf is not known */
	}
}
