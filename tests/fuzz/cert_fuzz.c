/*
 * A certificate as bytes from the network, to facts, to JSON. Whatever comes in, the record is
 * valid: no control character in any text, and the limits hold.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "tls/cert.h"
#include "tls/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cert_facts facts;
	struct arena arena;
	struct fail why;
	struct buf json;

	tls_init();
	arena_init(&arena);
	if (tls_cert_parse(data, size, &arena, &facts, &why) == 0) {
		if (facts.names.n > LIMIT_SANS || facts.fingerprint == NULL ||
		    strlen(facts.fingerprint) != 64)
			abort();
		for (size_t i = 0; i < facts.names.n; i++)
			check_text(facts.names.v[i]);
		check_text(facts.common_name);
		check_text(facts.subject);
		check_text(facts.issuer);
		check_text(facts.serial);
		check_text(facts.signature_algorithm);
		buf_init(&json, 1000 * 1000);
		if (facts_write_json(&fact_table_cert_facts, &facts, &json) != 0)
			abort();
		buf_free(&json);
	}
	arena_free(&arena);
	return 0;
}
