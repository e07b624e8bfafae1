# The TLS side of mxtls listen: settings of each address, implicit TLS, certificates by name and by renewal, clients'
# certificates, who is exempt and who is not served at all.
load lib/rig
load lib/listen

setup_file() {
    certs_make
    cert_issue client
    cert_issue mx1 san=DNS:mx1.box.test,DNS:mx1.example.test
}

setup() {
    D=$BATS_TEST_TMPDIR
    PAIRS=(--cert "$CERTS/both-rsa.chain" --key "$CERTS/both-rsa.key" --cert "$CERTS/both-ecdsa.chain"
        --key "$CERTS/both-ecdsa.key")
    printf 'Subject: hello\r\n\r\nworld\r\n' > "$D/mail"
    COMMON=(--hostname mx.box.test --accept ok.test --deliver discard --log json -v)
}

teardown() {
    listen_stop_all
}

# start NAME ARG...: a receiver with the usual options
start() {
    listen_start "$1" "${COMMON[@]}" "${@:2}"
}

# shown ADDRESS:PORT ARG...: fingerprint of the certificate that openssl gets with STARTTLS
shown() {
    local at=$1
    shift
    printf 'quit\r\n' | timeout 20 openssl s_client -connect "$at" -starttls smtp -ign_eof "$@" 2> /dev/null |
        openssl x509 -outform DER | sha256sum | cut -d' ' -f1
}

send_mail() {
    timeout 20 swaks --server "${1%:*}" --port "${1##*:}" --ehlo client.box.test --from a@sender.test --to u@ok.test "${@:2}"
}

@test "each address has its own setting, the option is for those without, and implicit TLS speaks TLS first (RFC 8314 s3)" {
    start each "${PAIRS[@]}" --tls off 127.0.0.1:0 127.0.0.1:0,tls=offered '[::1]:0,tls=encrypt' 127.0.0.1:0,implicit-tls
    run -0 send_mail "$(listen_at each)"
    has_not STARTTLS
    run ! send_mail "$(listen_at each)" -tls
    run -0 send_mail "$(listen_at each 2)"
    has STARTTLS
    run -0 send_mail "$(listen_at each 2)" -tls
    local required
    required=smtp://$(listen_at each 3)/client.box.test
    run ! curl -sSv --url "$required" --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail"
    has "530 5.7.0"
    run -0 curl -sSv --url "$required" --ssl-reqd -k --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail"
    run -0 send_mail "$(listen_at each 4)" -tlsc
    has "~> EHLO"
    has_not STARTTLS
    # an independent client, and what is no TLS
    run -0 python3 - "$(listen_at each 4)" <<'PYTHON'
import smtplib, ssl, sys
host, port = sys.argv[1].split(":")
s = smtplib.SMTP_SSL(host, int(port), "client.box.test", timeout=20, context=ssl._create_unverified_context())
print("220", s.ehlo(), s.sock.version())
s.quit()
PYTHON
    has "mx.box.test\\nPIPELINING"
    has TLSv1.3
    has_not STARTTLS
    dial "$(listen_at each 4)"
    say "EHLO client.box.test"
    hear closed
    listen_said each '"event":"tls-failed".*"outcome":"byte 0x45 in clear where a TLS handshake must begin"'
    listen_said each '"event":"message".*"tls":true,"tls_version":"TLSv1.3"'
    run -1 "$MXTLS" probe --allow-private --implicit-tls --json "[127.0.0.1]:$(listen_at each 4 | cut -d: -f2)"
    has '"starttls_state":"implicit"'
}

@test "a setting that is none stops the start" {
    local row
    # shellcheck disable=SC2089,SC2090 # words, and their quotes are meant
    for row in "127.0.0.1:0,tls=must|'tls=must' is no setting" "127.0.0.1:0,|a setting is expected behind the comma" \
        "127.0.0.1:0,tls=off,implicit-tls|exclude each other" "127.0.0.1:0,,|'' is no setting" \
        "--client-cert required 127.0.0.1:0|--client-cert required needs --client-ca" \
        "--allow-from example.org 127.0.0.1:0|'example.org' is no network" "--tls-exempt nobody 127.0.0.1:0|--tls-exempt: 'nobody'" \
        "1:1 2:2 3:3 4:4 5:5 6:6 7:7 8:8|more than 7"; do
        # shellcheck disable=SC2086 # words
        run -64 timeout 10 "$MXTLS" listen --self-signed --deliver discard ${row%|*}
        has "${row#*|}"
        has_not "listening"
    done
    run -78 timeout 10 "$MXTLS" listen --self-signed --deliver discard --client-ca "$D/none" 127.0.0.1:0
    has "$D/none: no PEM certificates"
}

@test "the name a client asks for chooses the certificates, of both kinds (RFC 6066 s3)" {
    start names "${PAIRS[@]}" --cert "$CERTS/mx1.chain" --key "$CERTS/mx1.key" --cert "$CERTS/wildcard.chain" \
        --key "$CERTS/wildcard.key" 127.0.0.1:0
    local at name
    at=$(listen_at names)
    same "$(shown "$at" -servername mx1.example.test)" "$(cert_fingerprint "$CERTS/mx1.crt")"
    same "$(shown "$at" -servername MX1.box.test)" "$(cert_fingerprint "$CERTS/mx1.crt")"
    same "$(shown "$at" -servername other.box.test)" "$(cert_fingerprint "$CERTS/wildcard.crt")"
    # both kinds of the first name, also without a name and with one that nobody knows
    for name in "-servername both.box.test" -noservername "-servername unknown.example"; do
        # shellcheck disable=SC2086 # words
        same "$(shown "$at" $name -sigalgs RSA-PSS+SHA256)" "$(cert_fingerprint "$CERTS/both-rsa.crt")"
        # shellcheck disable=SC2086 # words
        same "$(shown "$at" $name -sigalgs ECDSA+SHA256)" "$(cert_fingerprint "$CERTS/both-ecdsa.crt")"
    done
    listen_said names '"tls_sni":"unknown.example"'
    # a name that is none goes into no log
    python3 - "$at" <<'PYTHON'
import smtplib, ssl, sys
host, port = sys.argv[1].split(":")
context = ssl._create_unverified_context()
s = smtplib.SMTP(host, int(port), "client.box.test", 20)
s.ehlo()
s._host = "x\ny"
try:
    s.starttls(context=context)
    s.quit()
except (ssl.SSLError, ValueError, smtplib.SMTPException) as e:
    print("refused:", e)
PYTHON
    peer_stop names
    same "$(grep -c 'x..ny' "$(peer_log names)")" 0
    # two of one kind for one name
    run -78 timeout 10 "$MXTLS" listen "${COMMON[@]}" --cert "$CERTS/both-rsa.chain" --key "$CERTS/both-rsa.key" \
        --cert "$CERTS/both-rsa.chain" --key "$CERTS/both-rsa.key" 127.0.0.1:0
    has "$CERTS/both-rsa.chain: there is a certificate of this kind for these names already"
}

@test "certificates are loaded again on SIGHUP and when files change; what cannot be used changes nothing (reference S30)" {
    cp "$CERTS/rsa.chain" "$D/chain"
    cp "$CERTS/rsa.key" "$D/key"
    start reload --cert "$D/chain" --key "$D/key" 127.0.0.1:0
    local at
    at=$(listen_at reload)
    same "$(shown "$at")" "$(cert_fingerprint "$CERTS/rsa.crt")"
    # the key does not belong to it: the old pair stays
    cp "$CERTS/ecdsa.chain" "$D/chain"
    kill -HUP "$(peer_pid reload)"
    listen_said reload 'the certificates of before stay in use: .*key: the key does not belong'
    same "$(shown "$at")" "$(cert_fingerprint "$CERTS/rsa.crt")"
    : > "$D/chain"
    kill -HUP "$(peer_pid reload)"
    listen_said reload 'stay in use: .*chain: no PEM certificate'
    same "$(shown "$at")" "$(cert_fingerprint "$CERTS/rsa.crt")"
    # a session that began before goes on, and its STARTTLS gets the new ones
    dial "$at"
    hear 220
    cp "$CERTS/ecdsa.chain" "$D/chain"
    cp "$CERTS/ecdsa.key" "$D/key"
    kill -HUP "$(peer_pid reload)"
    listen_said reload "certificates loaded again; SHA-256 of the first: $(cert_fingerprint "$CERTS/ecdsa.crt")"
    same "$(shown "$at")" "$(cert_fingerprint "$CERTS/ecdsa.crt")"
    say "EHLO client.box.test"
    hear 250
    # without a signal: looked for every 10 seconds
    cp "$CERTS/rsa.key" "$D/key"
    cp "$CERTS/rsa.chain" "$D/chain"
    wait_for_line "$(peer_log reload)" "SHA-256 of the first: $(cert_fingerprint "$CERTS/rsa.crt")" 40
    same "$(shown "$at")" "$(cert_fingerprint "$CERTS/rsa.crt")"
    hang_up
}

@test "100 SIGHUPs while clients send over TLS: no session fails" {
    start hups "${PAIRS[@]}" --max-connections-per-address 100 127.0.0.1:0
    "$ROOT/tests/peers/listen_clients.py" "$(listen_at hups)" load 4 "$D/acked" --tls --messages 20 > "$D/out" 2>&1 3>&- &
    local load=$! i
    for ((i = 0; i < 100; i++)); do kill -HUP "$(peer_pid hups)"; done
    wait $load || assert_fail "load" "$(cat "$D/out")"
    same "$(wc -l < "$D/acked")" 80
    same "$(grep -c tls-failed "$(peer_log hups)")" 0
    run -0 grep -c "certificates loaded again" "$(peer_log hups)"
}

@test "a client's certificate is asked for, verified and logged, and not needed unless that is said" {
    start ask "${PAIRS[@]}" --client-ca "$CERTS/root.crt" 127.0.0.1:0
    local mail=(curl -sS --ssl-reqd -k --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail" --url) at
    at=smtp://$(listen_at ask)/client.box.test
    run -0 "${mail[@]}" "$at"
    run -0 "${mail[@]}" "$at" --cert "$CERTS/client.pem"
    run -0 "${mail[@]}" "$at" --cert "$CERTS/selfsigned.pem"
    peer_stop ask
    run -0 python3 - "$(peer_log ask)" "$(cert_fingerprint "$CERTS/client.crt")" "$(cert_fingerprint "$CERTS/selfsigned.crt")" <<'PYTHON'
import json, sys
records = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
certs = [r.get("client_cert") for r in records if r["event"] == "message"]
assert certs[0] is None, certs
assert certs[1]["sha256"] == sys.argv[2] and certs[1]["verified"] is True, certs
assert certs[2]["sha256"] == sys.argv[3] and certs[2]["verified"] is False, certs
PYTHON
    start need "${PAIRS[@]}" --client-ca "$CERTS/root.crt" --client-cert required 127.0.0.1:0
    at=smtp://$(listen_at need)/client.box.test
    run -0 "${mail[@]}" "$at" --cert "$CERTS/client.pem"
    run ! "${mail[@]}" "$at" --cert "$CERTS/selfsigned.pem"
    run ! "${mail[@]}" "$at"
    listen_said need '"event":"tls-failed".*certificate verify failed'
    listen_said need '"event":"tls-failed".*did not return a certificate'
    same "$(grep -c '"event":"message"' "$(peer_log need)")" 1
}

@test "--tls-exempt: where TLS is required, reports of its failures still come in clear, and nothing else" {
    start exempt "${PAIRS[@]}" --tls required --tls-exempt tlsrpt@ok.test 127.0.0.1:0
    dial "$(listen_at exempt)"
    hear 220
    say "EHLO client.box.test"
    hear 250
    say "MAIL FROM:<reports@sender.test>"
    hear 250
    say "RCPT TO:<u@ok.test>"
    hear "530 5.7.0"
    say "DATA"
    hear 554
    say "RCPT TO:<TLSRPT@OK.test>"
    hear 250
    say "DATA"
    hear 354
    say "."
    hear 250
    listen_said exempt '"event":"refused".*"tls":false.*"to":\["u@ok.test"\].*"code":530'
    listen_said exempt '"event":"message".*"tls":false.*"to":\["TLSRPT@OK.test"\].*"accepted":true'
}

@test "--allow-from: others get 554 and the end (RFC 5321 s3.1)" {
    start allow "${PAIRS[@]}" --allow-from 192.0.2.0/28 --allow-from 2001:db8::/64 192.0.2.5:0 '[2001:db8::5]:0' 127.0.0.1:0
    dial "$(listen_at allow)"
    hear 220
    exec {fd}<> "/dev/tcp/2001:db8::5/$(listen_at allow 2 | sed 's/.*://')"
    DIALLED=$fd
    hear 220
    dial "$(listen_at allow 3)"
    hear "554 5.7.1"
    hear closed
    listen_said allow '"event":"turned-away".*"peer":"127.0.0.1".*"outcome":"not in --allow-from"'
}

@test "--handshake-timeout: who begins TLS and says nothing more is let go" {
    start slow "${PAIRS[@]}" --handshake-timeout 300ms 127.0.0.1:0 127.0.0.1:0,implicit-tls
    dial "$(listen_at slow)"
    hear 220
    say "EHLO client.box.test"
    hear 250
    say STARTTLS
    hear 220
    printf '\x16\x03\x01' >&"$DIALLED"
    hear closed
    dial "$(listen_at slow 2)"
    hear closed
    wait_for_line "$(peer_log slow)" '"event":"tls-failed".*"outcome":"[^"]*no answer in time' 20 "" 2
}

@test "inside TLS, records behind EHLO, DATA or ahead of the greeting are talk out of turn, too (reference S25)" {
    start turn "${PAIRS[@]}" 127.0.0.1:0 127.0.0.1:0,implicit-tls
    run -0 python3 - "$(listen_at turn)" "$(listen_at turn 2)" <<'PYTHON'
import socket, ssl, sys

class Client:
    def __init__(self, at, implicit, ahead=b""):
        host, port = at.split(":")
        self.sock = socket.create_connection((host, int(port)), 20)
        self.text = b""
        if not implicit:
            self.until(b"ESMTP\r\n")
            self.sock.sendall(b"EHLO c.test\r\n")
            self.until(b"250 ENHANCEDSTATUSCODES\r\n")
            self.sock.sendall(b"STARTTLS\r\n")
            self.until(b"220 2.0.0 Ready to start TLS\r\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.inside, self.outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inside, self.outside)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.inside.write(self.sock.recv(65536))
        if ahead:
            self.tls.write(ahead) # in the packet of our Finished
        self.flush()

    def flush(self):
        self.sock.sendall(self.outside.read())

    def until(self, end):
        while not self.text.endswith(end):
            data = self.sock.recv(4096)
            assert data, self.text
            self.text += data
        self.text = b""

    def hear(self):
        """One reply, or b"" at the end."""
        text = b""
        while True:
            try:
                data = self.tls.read(4096)
                if not data:
                    return text
                text += data
                lines = text.split(b"\r\n")
                if text.endswith(b"\r\n") and lines[-2][3:4] == b" ":
                    return text
            except ssl.SSLWantReadError:
                data = self.sock.recv(65536)
                if not data:
                    return text
                self.inside.write(data)

    def records(self, *texts):
        for text in texts:
            self.tls.write(text)
        self.flush() # all in one packet

for at, implicit in (sys.argv[1], False), (sys.argv[2], True):
    # in step: all is well
    c = Client(at, implicit)
    if implicit:
        assert c.hear()[:3] == b"220"
    c.records(b"EHLO c.test\r\n")
    assert c.hear()[:4] == b"250-"
    c.records(b"MAIL FROM:<a@sender.test>\r\n", b"RCPT TO:<u@ok.test>\r\n", b"DATA\r\n") # pipelining is allowed
    text = c.hear()
    while b"354 " not in text:
        text += c.hear()
    assert text.count(b"250 ") == 2, text
    c.records(b"Subject: x\r\n\r\n.\r\n", b"QUIT\r\n")
    text = c.hear()
    while b"221 " not in text:
        text += c.hear()
    # behind EHLO
    c = Client(at, implicit)
    if implicit:
        assert c.hear()[:3] == b"220"
    c.records(b"EHLO c.test\r\n", b"MAIL FROM:<a@sender.test>\r\n")
    text = c.hear()
    assert text.startswith(b"554 5.5.0"), text
    # behind DATA
    c = Client(at, implicit)
    if implicit:
        assert c.hear()[:3] == b"220"
    c.records(b"EHLO c.test\r\n")
    c.hear()
    c.records(b"MAIL FROM:<a@sender.test>\r\n", b"RCPT TO:<u@ok.test>\r\n", b"DATA\r\n", b"Subject: x\r\n\r\n.\r\n")
    text = b""
    while not text.endswith(b"Data where none may be sent\r\n"):
        more = c.hear()
        assert more, text
        text += more
    assert b"354" not in text, text
# ahead of the greeting
c = Client(sys.argv[2], True, b"EHLO c.test\r\n")
text = c.hear()
assert text.startswith(b"554 5.5.0"), text
print("all in turn")
PYTHON
    has "all in turn"
}

@test "LISTEN_FDS: sockets of the service manager, with settings in their names" {
    run -0 python3 - "$MXTLS" "$CERTS" <<'PYTHON'
import os, signal, smtplib, socket, ssl, subprocess, sys
mxtls, certs = sys.argv[1:]
sockets = []
for i in range(3):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(10)
    sockets.append(s)

def listen(fds, names, pid=None):
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(into, 1)
        for i, s in enumerate(fds):
            os.dup2(s.fileno(), 20 + i)
        for i in range(len(fds)):
            os.dup2(20 + i, 3 + i)
        env = dict(os.environ, LISTEN_PID=str(pid or os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
        os.execve(mxtls, [mxtls, "listen", "--cert", certs + "/rsa.chain", "--key", certs + "/rsa.key", "--accept", "ok.test",
            "--deliver", "discard"], env)
    os.close(into)
    return child, os.fdopen(out)

# a socket for both families, as systemd makes one of ListenStream=25: clients are seen by their own addresses
both = socket.socket(socket.AF_INET6)
both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
both.bind(("::", 0))
both.listen(10)
child, out = listen([both], "tls=off")
out.readline()
with smtplib.SMTP("127.0.0.1", both.getsockname()[1], timeout=20) as s:
    s.ehlo()
    s.sendmail("a@sender.test", ["u@ok.test"], "Subject: x\r\n\r\nx\r\n")
os.kill(child, signal.SIGTERM)
assert os.waitpid(child, 0)[1] == 0
child, out = listen(sockets, "mx.socket:tls=required:implicit-tls")
ports = [s.getsockname()[1] for s in sockets]
for port in ports:
    assert out.readline() == "listening on 127.0.0.1:%d\n" % port
with smtplib.SMTP("127.0.0.1", ports[0], timeout=20) as s:
    s.ehlo()
    assert s.mail("a@sender.test")[0] == 250
with smtplib.SMTP("127.0.0.1", ports[1], timeout=20) as s:
    s.ehlo()
    assert s.mail("a@sender.test")[0] == 530
with smtplib.SMTP_SSL("127.0.0.1", ports[2], timeout=20, context=ssl._create_unverified_context()) as s:
    s.ehlo()
    assert s.mail("a@sender.test")[0] == 250
os.kill(child, signal.SIGTERM)
assert os.waitpid(child, 0)[1] == 0
# meant for another process; a wrong setting; what is no socket
child, out = listen(sockets, "", pid=1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 64
child, out = listen(sockets, "tls=must")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 64
child, out = listen([open("/dev/null")], "")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 64
PYTHON
    matches '^mxtls: 127\.0\.0\.1: message '
    has "expected 1 to 7 ADDRESS:PORT, or sockets in LISTEN_FDS"
    has "'tls=must' is no setting"
    has "descriptor 3 is no listening TCP socket"
}
