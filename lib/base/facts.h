#ifndef BASE_FACTS_H
#define BASE_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/fail.h"

/*
 * The facts that drivers gather and decisions read, made from facts.def: the enums, the structs,
 * and one table that describes their fields for writing, reading and documenting. All strings
 * and lists live in one arena of whoever gathers. Call facts_init_<struct> on fresh memory: it
 * sets "unknown" in every field.
 */

/* Enumerations. type_parse leaves *value_r alone when it returns false. */
#define FACT_ENUM(type) enum type {
#define FACT_TOKEN(type, symbol, token, doc) symbol,
#define FACT_ENUM_END(type) \
	} \
	; \
	const char *type##_str(enum type value); \
	bool type##_parse(const char *token, enum type *value_r);
#include "base/facts.def"

/* Structs. */
#define FACT_STRUCT(type, doc) struct type {
#define FACT_STRUCT_END(type) \
	} \
	; \
	void facts_init_##type(struct type *facts); \
	extern const struct fact_table fact_table_##type;
#define FACT_STR(type, member, path, doc) char *member;
#define FACT_STRS(type, member, path, doc) struct strs member;
#define FACT_INT(type, member, path, doc) int64_t member;
#define FACT_COUNT(type, member, path, doc) int64_t member;
#define FACT_BOOL(type, member, path, doc) bool member;
#define FACT_TRI(type, member, path, doc) enum tri member;
#define FACT_SECS(type, member, path, doc) double member;
#define FACT_TIME(type, member, path, doc) int64_t member;
#define FACT_WORD(type, member, word, path, doc) enum word member;
#define FACT_SUB(type, member, sub, path, doc) struct sub member;
#define FACT_LIST(type, member, sub, path, doc) \
	struct sub *member; \
	size_t member##_n;
#define FACT_KEYED(type, member, sub, key, path, doc) \
	struct sub *member; \
	size_t member##_n;
#include "base/facts.def"

enum fact_kind {
	FACT_KIND_STR,
	FACT_KIND_STRS,
	FACT_KIND_INT,
	FACT_KIND_COUNT,
	FACT_KIND_BOOL,
	FACT_KIND_TRI,
	FACT_KIND_SECS,
	FACT_KIND_TIME,
	FACT_KIND_WORD,
	FACT_KIND_SUB,
	FACT_KIND_LIST,
	FACT_KIND_KEYED
};

struct fact_field {
	const char *path;
	const char *doc;
	enum fact_kind kind;
	size_t offset;                      /* of the member; of the pointer for LIST and KEYED */
	size_t offset_n;                    /* of member_n, for LIST and KEYED */
	const char *(*word_str)(int value); /* WORD; NULL for a value that is none */
	bool (*word_parse)(const char *token, int *value_r); /* WORD */
	const struct fact_table *sub;                        /* SUB, LIST, KEYED */
	size_t key_offset; /* KEYED: the STR member of the element */
};

struct fact_table {
	const char *name; /* "host_facts" */
	const char *doc;
	size_t size; /* sizeof the struct */
	void (*init)(void *facts);
	const struct fact_field *fields;
	size_t field_count;
};

struct buf;

/* The certificate with this fingerprint, or NULL. Points into certs. */
const struct cert_facts *
facts_cert(const struct cert_facts *certs, size_t n, const char *fingerprint);
/* The first certificate that the server showed in a handshake (its leaf), or NULL. */
const struct cert_facts *
facts_leaf(const struct cert_facts *certs, size_t n, const struct tls_facts *tls);

/* A copy of its own, strings and lists included, in arena. to_r: of the table's size. */
void facts_copy(const struct fact_table *table, void *to_r, const void *from, struct arena *arena);

/*
 * Append the struct as one line of JSON (no newline) to out. Strings that are not UTF-8 are
 * written with each wrong byte as \u00XX (its Latin-1 code point), control characters escaped.
 * Seconds are written to the microsecond. The keys of a KEYED list must differ from each other.
 * Returns 0, or -1 when out is full.
 */
int facts_write_json(const struct fact_table *table, const void *facts, struct buf *out);
/* The same without members that say nothing: those that have the value of facts_init_<struct>. */
int facts_write_json_brief(const struct fact_table *table, const void *facts, struct buf *out);

/*
 * Read one JSON object into a struct (initialised here); unknown members are ignored, missing
 * and null ones stay unknown. Strings live in arena. Returns 0, or -1 with why (MESSAGE): not
 * JSON, nested deeper than LIMIT_JSON_DEPTH, or a member of the wrong type or with a word that the
 * table does not have, named by its path ("exchanges[0].hosts[1].port").
 */
int facts_read_json(const struct fact_table *table, const char *json, size_t n, struct arena *arena,
    void *facts_r, struct fail *why);

/*
 * Print "path<TAB>kind<TAB>doc" for each field, depth first, for --list-fields and the manual. What
 * lies in a list or in a keyed list has "[]" in its path, as jq(1) writes it; the doc of a word
 * ends in its values.
 */
void facts_list_fields(const struct fact_table *table, FILE *out);

#endif
