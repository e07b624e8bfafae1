#!/usr/bin/env python3
"""tests/lib/survey_make.py --records N [--seed S] [--day YYYY-MM-DD] [--progress 0..1] [--dedupe]
[--providers N]: a survey file on standard output, as mxtls probe writes it, of made-up domains.

Domains share providers by Zipf's law; some have a mail server of their own; some do not exist, accept
no mail or could not be measured. The same seed gives the same domains and servers; --progress moves
them towards better set-ups (and a few back), so that two of them can be compared.
"""

import argparse
import datetime
import hashlib
import json
import random
import sys

TLDS = ["com"] * 45 + ["de"] * 9 + ["net"] * 8 + ["org"] * 8 + ["nl"] * 5 + ["co.uk"] * 4 + [
    "fr", "se", "eu", "io", "ch", "cz", "pl", "jp", "com.br", "info", "xn--p1ai", "no", "dk", "at"]
BIG = ["example-mail.com", "workspace-mx.net", "outlook-like.org", "hosting-one.nl", "hosting-two.de",
       "mailgate.ch", "provider-six.fr", "hetzmail.de", "shared-box.co.uk", "onehost.se"]
CAS = [("Let's Encrypt", "R11", 90, 46), ("DigiCert Inc", "DigiCert TLS RSA 2020", 397, 16),
       ("Google Trust Services", "WR2", 84, 12), ("Sectigo Limited", "Sectigo RSA DV", 397, 12),
       ("ZeroSSL", "ZeroSSL RSA", 90, 6), ("Buypass AS-983163327", "Buypass Class 2", 180, 2)]
CIPHERS = {"TLSv1.3": [("TLS_AES_256_GCM_SHA384", "0x1302", 256), ("TLS_AES_128_GCM_SHA256", "0x1301", 128)],
           "TLSv1.2": [("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "0xc030", 256),
                       ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "0xc02f", 128),
                       ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "0x009f", 256)],
           "TLSv1.0": [("TLS_RSA_WITH_AES_128_CBC_SHA", "0x002f", 128)]}
VALUES = {"TLSv1.3": 772, "TLSv1.2": 771, "TLSv1.0": 769}
RUNGS = ["dane", "mta-sts-enforce", "pkix", "encrypted", "plaintext"]  # best first


def dumps(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def hexes(*parts):
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def stamp(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class Maker:
    def __init__(self, options):
        self.o = options
        self.now = datetime.datetime.fromisoformat(options.day).replace(tzinfo=datetime.timezone.utc)
        self.lines = {}  # ref -> host line, when --dedupe-output
        self.certs = {}

    def certificate(self, rng, name, kind, state):
        org, cn, days, _ = rng.choices(CAS, [ca[3] for ca in CAS])[0]
        self_signed = state == "self-signed"
        age = rng.randrange(days) if state != "expired" else days + rng.randrange(1, 400)
        start = self.now - datetime.timedelta(days=age, hours=rng.randrange(24))
        end = start + datetime.timedelta(days=days if not self_signed else 3650)
        names = [name if state != "wrong-name" else "www." + name.split(".", 1)[1]]
        issuer = f"CN={names[0]}" if self_signed else f"CN={cn},O={org},C=US"
        bits = rng.choices([2048, 4096, 3072, 1024], [80, 15, 4, 1])[0] if kind == "rsa" else \
            rng.choices([256, 384], [85, 15])[0]
        return {
            "fingerprint_sha256": hexes("cert", name, kind, self.o.day), "spki_subject_fingerprint": hexes("key", name, kind),
            "subject_dn": f"CN={names[0]}", "issuer_dn": issuer, "names": names, "common_name": names[0],
            "serial_number": hexes("serial", name)[:32],
            "validity": {"start": stamp(start), "end": stamp(end), "days_left": max(0, (end - self.now).days)},
            "signature_algorithm": {"name": "RSA-SHA256" if kind == "rsa" or not self_signed else "ecdsa-with-SHA256"},
            "subject_key_info": {"key_algorithm": {"name": kind, "bits": bits}},
            "is_ca": False, "self_signed": self_signed}

    def handshake(self, rng, name, domain_match, kind, offer, version, cert, state, dane, post_quantum):
        cipher = rng.choices(CIPHERS[version], [6, 3, 1][:len(CIPHERS[version])])[0]
        group = None if version == "TLSv1.0" else "X25519MLKEM768" if post_quantum and version == "TLSv1.3" \
            else rng.choices(["x25519", "secp256r1", "secp384r1", "secp521r1"], [70, 18, 9, 3])[0]
        if cipher[0].startswith("TLS_DHE"):
            group = "ffdhe2048"
        trusted = state in ("good", "wrong-name")
        code = {"expired": 10, "self-signed": 18, "incomplete": 20}.get(state, 0)
        error = {10: "certificate has expired", 18: "self-signed certificate",
                 20: "unable to get local issuer certificate"}.get(code)
        return {
            "sigalg_offer": offer, "complete": True, "key_status": "present",
            "version": {"name": version, "value": VALUES[version]},
            "cipher_suite": {"name": cipher[0], "hex": cipher[1], "bits": cipher[2]}, "group": group,
            "signature_scheme": "rsa_pss_rsae_sha256" if kind == "rsa" else "ecdsa_secp256r1_sha256", "alpn": None,
            "session_ticket": True, "ocsp_staple": False, "client_cert_requested": False, "alert": None,
            "chain": [cert["fingerprint_sha256"]] + ([] if cert["self_signed"] or state == "incomplete" else [hexes("ca")]),
            "chain_sent_order_ok": True,
            "validation": {
                "browser_trusted": trusted, "browser_error": error, "verify_code": code,
                "errors": [] if code == 0 else [f"0:{code}:{error}"], "matches_mx": state not in ("wrong-name", "self-signed"),
                "matches_domain": domain_match, "matched_name": name if state != "wrong-name" else None,
                "matched_domain_name": None, "missing_intermediate": state == "incomplete",
                "expired": state == "expired", "self_signed": state == "self-signed"},
            "dane": dane, "duration": 0.041, "error": None}

    def host(self, rng, s, name, ip):
        """One address of the server set-up s; and its certificates."""
        tls, certs = [], {}
        status, error, result = "success", None, None
        state = s["starttls"]
        if s["status"] != "success":
            status, error, state = s["status"], "no answer", "unknown"
        elif state == "not-offered":
            result = "starttls-not-supported"
        else:
            offers = [(s["kind"], "any")]
            if s["dual"]:
                offers.append(("rsa" if s["kind"] == "ecdsa" else "ecdsa",) * 2)
            for kind, offer in offers:
                cert = self.certificate(random.Random(f"{self.o.seed}{name}{kind}"), name, kind, s["cert"])
                certs[cert["fingerprint_sha256"]] = cert
                tls.append(self.handshake(rng, name, False, kind, offer, s["version"], cert, s["cert"],
                                          s["dane"], s["post_quantum"]))
            result = {"expired": "certificate-expired", "self-signed": "certificate-not-trusted",
                      "incomplete": "certificate-not-trusted", "wrong-name": "certificate-host-mismatch"}.get(s["cert"])
            if s["dane"] == "mismatch":
                result = "tlsa-invalid"
        keywords = ["PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8"]
        ehlo = keywords + (["STARTTLS"] if state == "done" else [])
        answered = status == "success"
        return {
            "ip": ip, "port": 25, "implicit_tls": False, "sni": name, "attempts": 1 if answered else 2, "status": status,
            "banner": f"{name} ESMTP" if answered else None, "banner_code": 220 if answered else None,
            "ehlo_code": 250 if answered else None, "ehlo_unsupported": False, "ehlo": ehlo if answered else [],
            "ehlo_tls": keywords if tls else [], "ext_added": [], "ext_removed": ["STARTTLS"] if tls else [],
            "keyword_masked": False, "starttls_state": state, "starttls": "220 2.0.0 Ready" if tls else None,
            "starttls_code": 220 if tls else None, "post_220_bytes": 0, "quit": True if answered else None,
            "timing": {"connect": 0.021 if answered else None, "banner": 0.112 if answered else None,
                       "ehlo": 0.022 if answered else None, "starttls": 0.021 if tls else None,
                       "tls": 0.041 if tls else None, "ehlo_tls": 0.022 if tls else None},
            "tls": tls, "enum": {"complete": None, "reason": None, "connections": 0, "versions": [], "groups": [], "ciphers": []},
            "injection": "not_tested", "injection_reason": None, "result_type": result, "error": error}, certs

    def setup(self, rng, big):
        """How a provider runs its servers; better with progress, and by the draw of the same number."""
        p = self.o.progress
        good = rng.random() < (0.995 if big else 0.80) + 0.02 * p
        s = {"status": "success", "starttls": "done", "cert": "good", "dane": "none", "kind": "rsa", "dual": False,
             "version": "TLSv1.3", "post_quantum": False, "v6": False, "tlsa": False, "signed": False}
        draw = {k: rng.random() for k in ("state", "kind", "dual", "version", "pq", "v6", "tlsa", "broken", "what")}
        s["v6"] = draw["v6"] < (0.6 if big else 0.25) + 0.1 * p
        if not good:
            what = draw["what"]
            if what < 0.22:
                s["starttls"] = "not-offered"
            elif what < 0.40:
                s["status"] = "connection-timeout" if what < 0.33 else "temporary-rejection"
            else:
                s["cert"] = ["self-signed", "expired", "wrong-name", "incomplete"][int(draw["state"] * 4)]
        s["kind"] = "ecdsa" if draw["kind"] < 0.3 else "rsa"
        s["dual"] = draw["dual"] < 0.15
        s["version"] = "TLSv1.3" if draw["version"] < 0.78 + 0.15 * p else "TLSv1.2" if draw["version"] < 0.99 else "TLSv1.0"
        s["post_quantum"] = draw["pq"] < 0.08 + 0.35 * p
        s["signed"] = draw["tlsa"] < 0.22
        if draw["tlsa"] < 0.10 + 0.05 * p and s["starttls"] == "done" and s["status"] == "success":
            s["tlsa"] = True
            s["dane"] = "mismatch" if draw["broken"] < 0.06 else "valid"
        return s

    def exchange(self, rng, s, name, preference, primary, number):
        v4 = [f"198.51.{number // 256 % 256}.{number % 256}"]
        v6 = [f"2001:db8:{number // 65536:x}:{number % 65536:x}::25"] if s["v6"] else []
        hosts, certs = [], {}
        for ip in v4 + v6:
            host, more = self.host(rng, s, name, ip)
            certs.update(more)
            hosts.append(host)
        tlsa = [{"usage": 3, "selector": 1, "matching_type": 1, "data": hexes("tlsa", name), "usable": True,
                 "matched": s["dane"] == "valid", "depth": 0, "note": None}] if s["tlsa"] else []
        if self.o.dedupe:
            hosts = [self.refer(name, host) for host in hosts]
        return {
            "name": name, "preference": preference, "primary": primary, "ttl": 3600, "cname": None, "status": "NOERROR",
            "dnssec": "secure" if s["signed"] else "insecure", "finding": None, "ipv4_addresses": v4, "ipv6_addresses": v6,
            "tlsa": {"base_domain": name if tlsa else None, "status": "usable" if tlsa else "none" if s["signed"] else "insecure",
                     "dnssec": "secure" if s["signed"] else "insecure", "ttl": 3600 if tlsa else None, "records": tlsa,
                     "rollover": "none" if tlsa else "unknown", "reason": None, "advice": []},
            "sts_match": None,
            "caa": {"status": "not_checked", "domain": None, "dnssec": "not_checked", "records": [], "reason": None},
            "hosts": hosts}, certs

    def refer(self, name, host):
        """The host in a line of its own, and what refers to it."""
        ref = f"{host['ip']}:25/{name}"
        if ref not in self.lines:
            self.lines[ref] = dumps({"schema": "mxtls-probe/1", "type": "host", "ref": ref, "name": name,
                                     "host": dict(host, ref=None)})
        return {"ref": ref, "ip": host["ip"], "port": 25, "result_type": host["result_type"],
                "tls": [{"dane": tls["dane"]} for tls in host["tls"]]}

    def provider(self, number, name, big):
        """Its MX hosts as JSON, and the verdict on a domain there without policy of its own."""
        rng = random.Random(f"{self.o.seed}/provider/{name}")
        s = self.setup(rng, big)
        count = rng.choices([1, 2, 3, 4], [50, 35, 10, 5])[0]
        exchanges, certs = [], {}
        for i in range(count):
            prefix = f"mx{i + 1}" if count > 1 else "mx"
            exchange, more = self.exchange(rng, s, f"{prefix}.{name}", 10 * (i + 1), i == 0, number * 4 + i)
            exchanges.append(exchange)
            certs.update(more)
        measured = s["status"] == "success"
        tls = measured and s["starttls"] == "done"
        if not measured:
            verdict, reasons = "unknown", [f"{exchanges[0]['name']}: {s['status']}"]
        elif not tls:
            verdict, reasons = "plaintext", [f"{exchanges[0]['name']} [{exchanges[0]['ipv4_addresses'][0]}]: no STARTTLS in a complete EHLO reply"]
        elif s["dane"] == "mismatch":
            verdict, reasons = "broken", [f"{exchanges[0]['name']}: certificate matches no TLSA record"]
        elif s["dane"] == "valid":
            verdict, reasons = "dane", []
        elif s["cert"] == "good":
            verdict, reasons = "pkix", []
        else:
            verdict, reasons = "encrypted", [f"{exchanges[0]['name']}: certificate is {s['cert']}"]
        addresses = sum(len(e["hosts"]) for e in exchanges)
        return {"exchanges": dumps(exchanges), "certs": dumps({} if self.o.dedupe else certs), "all_certs": certs, "verdict": verdict, "reasons": reasons,
                "hosts": addresses, "measured": addresses if measured else 0, "tls": tls, "refs": [
                    h["ref"] for e in exchanges for h in e["hosts"]] if self.o.dedupe else [],
                "secure": s["signed"], "days": min([c["validity"]["days_left"] for c in certs.values()], default=None)}


NOTHING = {"exchanges": "[]", "certs": "{}", "all_certs": {}, "reasons": [], "hosts": 0, "measured": 0, "tls": False,
           "refs": [], "secure": False, "days": None}
STS_NONE = dumps({"record": None, "id": None, "policy_status": "none", "mode": "unknown", "max_age": None, "mx": [],
                  "unmatched_mx": [], "policy_host": None, "ip": None, "http_status": None, "content_type": None,
                  "duration": None, "cached": False, "fetched": None, "expires": None, "result_type": None,
                  "reason": None, "findings": []})


def sts(domain, rng, p):
    """A policy of the domain, or none; and what enforcing senders make of it."""
    draw, state = rng.random(), rng.random()
    if draw > 0.04 + 0.03 * p:
        return STS_NONE, None
    value = json.loads(STS_NONE)
    value.update(record="v=STSv1; id=20260101", id="20260101", policy_host="mta-sts." + domain)
    if state < 0.12:
        value.update(policy_status="fetch-error", result_type="sts-policy-fetch-error", reason="status 404")
    elif state < 0.20:
        value.update(policy_status="webpki-invalid", result_type="sts-webpki-invalid", reason="certificate has expired")
    elif state < 0.25:
        value.update(policy_status="policy-invalid", result_type="sts-policy-invalid", reason="no version")
    else:
        value.update(policy_status="valid", mode="enforce" if state > 0.55 else "testing", max_age=604800, mx=["*." + domain],
                     http_status=200, content_type="text/plain")
        if state > 0.97:
            value.update(unmatched_mx=["mx.elsewhere.example"], result_type="x-sts-mx-mismatch")
            return dumps(value), "broken"
        return dumps(value), "enforce" if state > 0.55 else None
    return dumps(value), None


def meta(o):
    return dumps({"schema": "mxtls-probe/1", "type": "meta", "version": "0.1.0", "openssl": "OpenSSL 3.0.22",
                  "ca_sha256": hexes("roots"), "resolvers": ["127.0.0.1"], "source": None, "helo": "survey.example.org",
                  "start": o.day + "T06:00:00Z", "input": {"sha256": hexes("input"), "lines": o.records},
                  "shard": None, "options": {"dedupe_output": o.dedupe}})


def make(o, out):
    maker = Maker(o)
    providers, written = {}, set()
    if o.meta or o.dedupe:
        out.write(meta(o) + "\n")
    tlsrpt = {True: dumps({"record": "v=TLSRPTv1; rua=mailto:tls@example.org", "rua": ["mailto:tls@example.org"],
                           "status": "valid", "reason": None}),
              False: dumps({"record": None, "rua": [], "status": "none", "reason": None})}
    for i in range(o.records):
        rng = random.Random(o.seed * 1_000_003 + i)
        tld = TLDS[int(rng.random() * len(TLDS))]
        domain = f"d{i:07d}.{tld}"
        kind = rng.random()
        status, verdict, p = "has_mx", None, NOTHING
        if kind < 0.03:
            status, verdict = "nxdomain", "undeliverable"
        elif kind < 0.05:
            status, verdict = "null_mx", "no-mail"
        elif kind < 0.06:
            status, verdict = "no_mx", "undeliverable"
        elif kind < 0.065:
            status, verdict = "dns_error", "unknown"
        else:
            # Zipf over the providers, and a fifth that run their own
            own = rng.random() < 0.12
            number = min(int(o.providers ** rng.random()), o.providers - 1) if not own else o.providers + i % o.own
            p = providers.get(number)
            if p is None:
                big = number < len(BIG)
                name = BIG[number] if big else f"provider{number}.{TLDS[number % len(TLDS)]}" if not own else \
                    f"own{number}.{TLDS[number % len(TLDS)]}"
                p = providers[number] = maker.provider(number, name, big)
        policy, effect = sts(domain, rng, o.progress) if status == "has_mx" else (STS_NONE, None)
        verdict = verdict or p["verdict"]
        reasons = p["reasons"]
        if effect == "broken" and verdict in ("pkix", "encrypted"):
            verdict, reasons = "broken", ["the MTA-STS policy names no MX host"]
        elif effect == "enforce" and verdict == "pkix":
            verdict = "mta-sts-enforce"
        elif effect == "enforce" and verdict in ("encrypted", "plaintext"):
            verdict, reasons = "broken", ["MTA-STS enforces what no MX host has"]
        starttls = "unknown" if p["measured"] == 0 else "all" if p["tls"] else "none"
        code = {"dane": 0, "mta-sts-enforce": 0, "pkix": 0, "encrypted": 1, "no-mail": 0, "unknown": 3}.get(verdict, 2)
        for ref in p["refs"]:
            if ref not in written:
                written.add(ref)
                for fingerprint, cert in p["all_certs"].items():
                    if fingerprint not in written:
                        written.add(fingerprint)
                        out.write(dumps({"schema": "mxtls-probe/1", "type": "certificate", "certificate": cert}) + "\n")
                out.write(maker.lines[ref] + "\n")
        second = i // 50
        out.write(
            f'{{"schema":"mxtls-probe/1","type":"domain","seq":{i + 1},"domain":"{domain}","alabel":"{domain}","rank":{i + 1},'
            f'"timestamp":"{o.day}T{6 + second // 3600 % 18:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z","duration":0.412,'
            f'"mx_status":"{status}","dns":{{"resolver":"127.0.0.1","status":"{"NXDOMAIN" if status == "nxdomain" else "NOERROR"}",'
            f'"dnssec":"{"secure" if p["secure"] else "insecure"}","ttl":3600,"duration":0.012,"error":null}},'
            f'"exchanges":{p["exchanges"]},"exchanges_left_out":0,"mta_sts":{policy},"tlsrpt":{tlsrpt[rng.random() < 0.05]},'
            f'"certificates":{p["certs"]},"summary":{{"starttls":"{starttls}","verdict":"{verdict}","mixed":false,'
            f'"reasons":{dumps(reasons)},"hosts":{p["hosts"]},"measured":{p["measured"]},"unknown":{p["hosts"] - p["measured"]},'
            f'"exit_status":{code},"min_days_left":{dumps(p["days"])}}}}}\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--providers", type=int, default=400)
    parser.add_argument("--own", type=int, default=2000, help="domains that run their own share this many servers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--day", default="2026-11-24")
    parser.add_argument("--progress", type=float, default=0.0)
    parser.add_argument("--dedupe", action="store_true")
    parser.add_argument("--meta", action="store_true")
    make(parser.parse_args(), sys.stdout)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(0)
