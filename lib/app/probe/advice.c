#include "app/probe/text.h"
#include "policy/findings.h"

/* X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ..._VERIFY_LEAF_SIGNATURE */
#define X509_NO_ISSUER 20
#define X509_NO_LEAF_SIGNATURE 21

struct advice {
	const char **out;
	size_t n;
};

/* Once each. */
static void
add(struct advice *advice, const char *text)
{
	for (size_t i = 0; i < advice->n; i++)
		if (advice->out[i] == text)
			return;
	if (text != NULL && advice->n < PROBE_ADVICE_MAX)
		advice->out[advice->n++] = text;
}

/* --- certificates -------------------------------------------------------------------------------- */

static const char *
trust_advice(const struct tls_facts *tls)
{
	const struct verify_facts *verify = &tls->verify;
	bool no_issuer = verify->code == X509_NO_ISSUER || verify->code == X509_NO_LEAF_SIGNATURE;

	if (verify->self_signed == TRI_YES)
		return "a self-signed certificate proves nothing: use one of a public CA, "
		       "or publish TLSA records (DANE) in a signed zone";
	if (tls->chain.n == 1 && (no_issuer || verify->missing_intermediate == TRI_YES))
		return "only the server's own certificate was sent: send the intermediate "
		       "certificates behind it (the CA's \"full chain\" file)";
	if (verify->missing_intermediate == TRI_YES)
		return "an intermediate certificate is missing: send the CA's \"full chain\" file";
	/* what is wrong with dates has its own advice */
	if (verify->expired == TRI_YES && verify->errors.n <= 1)
		return NULL;
	return "use a certificate of a CA that senders trust, with its full chain";
}

static void
certificate_advice(struct advice *advice, const struct tls_facts *tls)
{
	const struct verify_facts *verify = &tls->verify;

	if (tls->chain_order_ok == TRI_NO)
		add(advice, "send the certificates in order: the server's own, then the issuer of "
			    "each behind it");
	/* DANE proves it, whatever they say */
	if (tls->dane == DANE_VALID)
		return;
	if (verify->expired == TRI_YES)
		add(advice, "renew the certificate, or check its dates, and make the mail server "
			    "load it");
	if (verify->trusted == TRI_NO)
		add(advice, trust_advice(tls));
	if (verify->matches_mx == TRI_NO)
		add(advice, "get a certificate that names the MX host (not only the mail domain), "
			    "or let the MX record name a host that the certificate names");
}

static void
weakness_advice(
    struct advice *advice, const struct target_facts *facts, const struct tls_facts *tls)
{
	unsigned weak = findings_weak(tls, facts_leaf(facts->certs, facts->certs_n, tls));

	if ((weak & FINDINGS_OLD_TLS) != 0)
		add(advice, "switch TLS 1.2 and 1.3 on: older versions are not safe (RFC 8996)");
	if ((weak & FINDINGS_SMALL_KEY) != 0)
		add(advice, "make a new key: RSA of 2048 bits at least, or ECDSA P-256");
	if ((weak & FINDINGS_WEAK_DIGEST) != 0)
		add(advice, "get a certificate that is signed with SHA-256 or better");
	if ((weak & FINDINGS_SMALL_DH) != 0)
		add(advice, "use ECDHE, or a Diffie-Hellman group of 2048 bits at least "
			    "(ffdhe2048)");
}

/* --- before the certificates ----------------------------------------------------------------------- */

static const char *
failed_advice(const struct host_facts *host)
{
	if (host->status == HOST_IO_TIMEOUT)
		return host->implicit_tls ? "the server did not answer the handshake: does it "
					    "expect STARTTLS on this port?"
					  : "the server did not go on after STARTTLS: see its log";
	if (host->implicit_tls)
		return "the handshake fails for every client like this one: see the server's log, "
		       "and whether this port is for TLS from the first byte at all";
	return "the handshake fails for every client like this one: see the server's log for the "
	       "certificate, key and protocol versions it is set up with";
}

static const char *
not_offered_advice(const struct host_facts *host)
{
	if (host->keyword_masked)
		return "a firewall on the way rewrites the SMTP dialogue: switch its SMTP "
		       "inspection off (\"ESMTP inspection\", \"fixup protocol smtp\")";
	if (host->ehlo_unsupported)
		return "the server knows only HELO: an SMTP proxy in front of it hides what it can "
		       "do, or it is too old";
	return "give the server a certificate and switch STARTTLS on";
}

/* "500 unknown command XXXXXXXX": what was sent is not what came. */
static bool
is_masked(const char *reply)
{
	size_t run = 0;

	for (; reply != NULL && *reply != '\0' && run < 4; reply++)
		run = *reply == 'X' ? run + 1 : 0;
	return run == 4;
}

static void
starttls_advice(struct advice *advice, const struct host_facts *host)
{
	if (host->post_220_bytes > 0) {
		add(advice, "something puts bytes between the reply to STARTTLS and the "
			    "handshake: look for a faulty proxy, or an attacker, on the way");
		return;
	}
	if (host->keyword_masked && host->starttls_state != STARTTLS_NOT_OFFERED)
		add(advice, "something on the way changes the SMTP dialogue: switch the SMTP "
			    "inspection of firewalls off");
	switch (host->starttls_state) {
	case STARTTLS_NOT_OFFERED:
		add(advice, not_offered_advice(host));
		break;
	case STARTTLS_REFUSED:
		add(advice, is_masked(host->starttls_reply)
				? "a firewall on the way removes the STARTTLS command: switch its "
				  "SMTP inspection off"
				: "STARTTLS is advertised but cannot be used: see the server's "
				  "log, most often a certificate or key that it cannot read");
		break;
	case STARTTLS_FAILED:
		add(advice, failed_advice(host));
		break;
	case STARTTLS_UNKNOWN:
	case STARTTLS_OFFERED:
	case STARTTLS_DONE:
	case STARTTLS_IMPLICIT:
		break;
	}
}

static const char *
session_advice(const struct host_facts *host)
{
	switch (host->status) {
	case HOST_CONNECT_REFUSED:
		return "nothing listens at this address and port: start the server, or take the "
		       "address out of the DNS";
	case HOST_CONNECT_TIMEOUT:
		return "no answer to connecting: a firewall there, or your own network does not "
		       "let port 25 out";
	case HOST_CONNECT_UNREACHABLE:
		return "no route to this address from here: try again from a network that has one";
	case HOST_BLOCKLISTED:
		return "the DNS gives a private address, which nobody else can reach; "
		       "--allow-private probes it all the same";
	case HOST_TEMPORARY:
		return "the server does not talk to this client for now (rate limit, greylisting): "
		       "try again later";
	case HOST_REJECTED:
		return "the server refuses this client: try from an address whose reverse DNS is "
		       "the name given with --helo";
	case HOST_IO_TIMEOUT:
		return "the server is slow to answer: try again with a longer --timeout";
	case HOST_CLOSED:
		return "the server closes the connection: see its log, it may refuse this client";
	case HOST_PROTOCOL_ERROR:
	case HOST_LINE_TOO_LONG:
		return "what answers here does not speak SMTP as it should: is it the right port?";
	case HOST_POST_TLS_ERROR:
		return "the session broke after the handshake: see the server's log";
	default:
		return NULL;
	}
}

size_t
probe_advice(const struct target_facts *facts, const struct host_facts *host,
    const char *out[PROBE_ADVICE_MAX])
{
	struct advice advice = { out, 0 };

	if (host->injection == INJECTION_VULNERABLE)
		add(&advice,
		    "update the mail server: it obeys, inside TLS, commands that anyone on "
		    "the way added in clear (CVE-2011-0411)");
	starttls_advice(&advice, host);
	for (size_t i = 0; i < host->tls_n; i++) {
		if (host->tls[i].complete != TRI_YES)
			continue;
		certificate_advice(&advice, &host->tls[i]);
		weakness_advice(&advice, facts, &host->tls[i]);
	}
	/* what has its own advice needs none about how the session ended */
	if (advice.n == 0 || host->status == HOST_POST_TLS_ERROR)
		add(&advice, session_advice(host));
	return advice.n;
}
