#include "probe_opts.h"

#include "policy/verdict.h"
#include "probe_output.h"

static const struct opt_word formats[] = { { "text", FORMAT_TEXT }, { "json", FORMAT_JSON },
	{ "csv", FORMAT_CSV }, { "nagios", FORMAT_NAGIOS }, { "prometheus", FORMAT_PROMETHEUS },
	{ NULL, 0 } };
static const struct opt_word levels[] = { { "dane", VERDICT_DANE },
	{ "mta-sts-enforce", VERDICT_MTA_STS }, { "pkix", VERDICT_PKIX },
	{ "encrypted", VERDICT_ENCRYPTED }, { NULL, 0 } };
static const struct opt_word mxs[] = { { "all", MX_ALL }, { "first", MX_FIRST }, { NULL, 0 } };
static const struct opt_word key_types[] = { { "rsa,ecdsa", KEYS_BOTH }, { "ecdsa,rsa", KEYS_BOTH },
	{ "any", KEYS_ANY }, { NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct probe_cli, member, __VA_ARGS__)
const struct opt probe_opts[] = {
	OPT_GROUP("Targets"),
	ROW(STR, input, "file", 'f', "FILE",
	    "probe the targets in FILE, one a line, too; - is standard input"),
	ROW(INT, port, "port", 0, "PORT",
	    "TCP port of targets that name none (default: 25, or 465 with --implicit-tls)",
	    .min = 1, .max = 65535),
	ROW(FLAG, implicit_tls, "implicit-tls", 0, NULL,
	    "TLS from the first byte (submissions, port 465) instead of STARTTLS"),
	ROW(WORD, mx, "mx", 0, "WHICH", "MX hosts to probe: all of them, or the first",
	    .words = mxs, .initial = "all"),
	ROW(SET, family, NULL, '4', NULL, "IPv4 addresses only", .value = 4),
	ROW(SET, family, NULL, '6', NULL, "IPv6 addresses only", .value = 6),
	ROW(FLAG, allow_private, "allow-private", 0, NULL,
	    "connect to private and loopback addresses that DNS gives, too"),

	OPT_GROUP("Output"),
	ROW(WORD, format, "format", 0, "FORMAT",
	    "how to write the records (default: what the end of FILE in --output asks for, or "
	    "text)",
	    .words = formats),
	ROW(SET, format, "json", 0, NULL, "one JSON object a line: --format=json",
	    .value = FORMAT_JSON),
	ROW(SET, format, "csv", 0, NULL, "one row for each handshake: --format=csv",
	    .value = FORMAT_CSV),
	ROW(SET, format, "nagios", 0, NULL, "one line for a monitoring system: --format=nagios",
	    .value = FORMAT_NAGIOS),
	ROW(SET, format, "prometheus", 0, NULL, "metrics for a textfile: --format=prometheus",
	    .value = FORMAT_PROMETHEUS),
	ROW(STR, output, "output", 'o', "FILE",
	    "write the records to FILE; .json, .ndjson, .csv or .prom at its end choose the "
	    "format"),
	ROW(STR, pem, "pem", 0, "DIR",
	    "save the certificates of each handshake, as sent, in a file of DIR (PEM); - is "
	    "standard output"),
	ROW(FLAG, list_fields, "list-fields", 0, NULL,
	    "list the fields of a record, with kind and meaning, and exit"),
	ROW(FLAG, verbose, "verbose", 'v', NULL, "show each SMTP dialogue on standard error"),

	OPT_GROUP("Judging certificates"),
	ROW(STR, ca_file, "ca-file", 0, "FILE", "trust the root certificates in FILE (PEM)"),
	ROW(STR, ca_dir, "ca-dir", 0, "DIR", "trust the root certificates in DIR (hashed names)"),
	ROW(STR, at, "at", 0, "TIME",
	    "judge as of TIME: +14d, -1d, 2026-01-31, or 2026-01-31T12:00:00Z (default: now)"),

	OPT_GROUP("Deep look (many connections to each address, one after the other)"),
	ROW(STR, deep, "enum", 0, "WHAT",
	    "find out versions, ciphers and groups that the server takes: a list with commas, or "
	    "all"),
	ROW(FLAG, check_injection, "check-injection", 0, NULL,
	    "test whether a command in clear behind STARTTLS is obeyed inside TLS (CVE-2011-0411)"),
	ROW(DURATION, pace_ms, "pace", 0, "TIME", "wait between two connections to an address",
	    .initial = "1s"),

	OPT_GROUP("TLSA records (instead of the records of the probe)"),
	ROW(FLAG, print_tlsa, "print-tlsa", 0, NULL,
	    "print the TLSA records of the keys that are in use, ready for a zone file"),
	ROW(STR, next_cert, "next-cert", 0, "FILE",
	    "with --print-tlsa: also those of the certificate in FILE (PEM), which is used next"),
	ROW(STR, check_cert, "check-cert", 0, "FILE",
	    "tell whether the certificate in FILE (PEM, with its chain) fits the TLSA records and "
	    "the names of the MX hosts; connects to none of them"),

	PROBE_SURVEY_ROWS(ROW),

	OPT_GROUP("Exit status"),
	ROW(WORD, require, "require", 0, "LEVEL", "fail unless the verdict is LEVEL or better",
	    .words = levels),
	ROW(STR, warn, "warn", 0, "DAYS",
	    "warn when a certificate has less time left: DAYS, or N% of its lifetime (default: 14 "
	    "days, or 33% if that is less)"),
	ROW(STR, crit, "crit", 0, "DAYS",
	    "fail when it has less time left than this (default: 3 days, or 10% if that is less)"),

	OPT_GROUP("Connections"),
	ROW(WORD, keys, "key-types", 0, "TYPES",
	    "certificates to ask each address for: RSA and ECDSA, or any, with one connection "
	    "less",
	    .words = key_types, .initial = "rsa,ecdsa"),
	ROW(INT, retries, "retries", 0, "N",
	    "further tries where a server did not say whether it does TLS", .max = 10,
	    .initial = "1"),
	ROW(STR, sni, "sni", 0, "NAME",
	    "server name to ask for: auto (the MX host's), none, or NAME (default: auto)"),
	ROW(STR, helo, "helo", 0, "NAME", "name to greet with (default: this host's full name)"),
	ROW(STR, source, "source", 0, "ADDRESS", "connect from this address"),
	ROW(DURATION, timeout_ms, "timeout", 0, "TIME", "wait for one reply at most", .min = 1,
	    .initial = "30s"),
	ROW(DURATION, deadline_ms, "deadline", 0, "TIME", "finish with one target in at most",
	    .min = 1, .initial = "180s"),
	ROW(INT, concurrency, "concurrency", 0, "N",
	    "targets at once, or sessions of a survey (default: 64, or as many as descriptors "
	    "allow)",
	    .min = 1, .max = 10000),

	OPT_GROUP("DNS"),
	ROW(STRS, resolvers, "resolver", 0, "ADDRESS[:PORT]",
	    "ask this resolver (default: those of /etc/resolv.conf)"),
	ROW(FLAG, trust_ad, "trust-ad", 0, NULL,
	    "believe the resolver that it validated DNSSEC, although it is not on this host"),

	OPT_GROUP("What domains publish"),
	ROW(FLAG, no_dane, "no-dane", 0, NULL, "do not look up TLSA records"),
	ROW(FLAG, no_mta_sts, "no-mta-sts", 0, NULL, "do not look for an MTA-STS policy"),
	ROW(FLAG, no_tlsrpt, "no-tlsrpt", 0, NULL,
	    "do not look up where reports about TLS are to be sent (TLSRPT)"),
	ROW(FLAG, caa, "caa", 0, NULL,
	    "look up which CAs may issue certificates for the MX hosts (CAA)"),
	OPT_TABLE_END,
};
