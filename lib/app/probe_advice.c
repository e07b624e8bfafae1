#include "app/probe_text.h"

/* The first handshake that says something about identity. */
static const char *
certificate_advice(const struct host_facts *host)
{
	for (size_t i = 0; i < host->tls_n; i++) {
		const struct tls_facts *tls = &host->tls[i];
		const struct verify_facts *verify = &tls->verify;
		if (tls->complete != TRI_YES || tls->dane == DANE_VALID)
			continue;
		if (verify->expired == TRI_YES)
			return "renew the certificate, or check its dates, and make the mail "
			       "server "
			       "load it";
		if (verify->self_signed == TRI_YES && verify->trusted == TRI_NO)
			return "a self-signed certificate proves nothing: use one of a public CA, "
			       "or publish TLSA records (DANE) in a signed zone";
		/* X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ..._VERIFY_LEAF_SIGNATURE */
		if (verify->trusted == TRI_NO && tls->chain.n == 1 &&
		    (verify->code == 20 || verify->code == 21))
			return "only the server's own certificate was sent: send the intermediate "
			       "certificates behind it (the CA's \"full chain\" file)";
		if (verify->trusted == TRI_NO)
			return "use a certificate of a CA that senders trust, with its full chain";
		if (verify->matches_mx == TRI_NO)
			return "get a certificate that names the MX host (not only the mail "
			       "domain), or let the MX record name a host that the certificate "
			       "names";
	}
	return NULL;
}

static const char *
starttls_advice(const struct host_facts *host)
{
	if (host->post_220_bytes > 0)
		return "something puts bytes between the reply to STARTTLS and the handshake: look "
		       "for a faulty proxy, or an attacker, on the way";
	switch (host->starttls_state) {
	case STARTTLS_NOT_OFFERED:
		if (host->keyword_masked)
			return "a firewall on the way rewrites the SMTP dialogue: switch its SMTP "
			       "inspection off (\"ESMTP inspection\", \"fixup protocol smtp\")";
		if (host->ehlo_unsupported)
			return "the server knows only HELO: an SMTP proxy in front of it hides "
			       "what "
			       "it can do, or it is too old";
		return "give the server a certificate and switch STARTTLS on";
	case STARTTLS_REFUSED:
		return "STARTTLS is advertised but cannot be used: see the server's log, most "
		       "often a certificate or key that it cannot read";
	case STARTTLS_FAILED:
		return host->status == HOST_IO_TIMEOUT
			   ? "the server did not go on after STARTTLS: see its log"
			   : "the handshake fails for every client like this one: see the server's "
			     "log for the certificate, key and protocol versions it is set up with";
	case STARTTLS_UNKNOWN:
	case STARTTLS_OFFERED:
	case STARTTLS_DONE:
	case STARTTLS_IMPLICIT:
		break;
	}
	return NULL;
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
		       "let "
		       "port 25 out";
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
	case HOST_POST_TLS_ERROR:
		return "the session broke after the handshake: see the server's log";
	default:
		return NULL;
	}
}

const char *
probe_advice(const struct host_facts *host)
{
	if (host->injection == INJECTION_VULNERABLE)
		return "update the mail server: it obeys, inside TLS, commands that anyone on the "
		       "way added "
		       "in clear (CVE-2011-0411)";
	const char *advice = starttls_advice(host);

	if (advice == NULL)
		advice = certificate_advice(host);
	return advice != NULL ? advice : session_advice(host);
}
