# mxtls listen as a fault server: each kind of --fault as mxtls itself and an independent client see it.
load lib/rig
load lib/listen

setup() {
    D=$BATS_TEST_TMPDIR
    printf 'Subject: hello\r\n\r\nworld\r\n' > "$D/mail"
}

teardown() {
    listen_stop_all
}

# start OPTION...: a fault server that is called by its address; AT is where
start() {
    N=$((${N:-0} + 1))
    listen_start "fault$N" --hostname 127.0.0.1 --self-signed --accept ok.test --deliver "maildir:$D/box$N" --log json -v \
        --handshake-timeout 20s "$@" 127.0.0.1:0
    AT=$(listen_at "fault$N")
    BOX_OF="$D/box$N"
}

# What mxtls probe finds out, as JSON; its exit status is that of the verdict
probe() {
    run "$MXTLS" probe --json --key-types any "$@" --timeout 10s "[127.0.0.1]:${AT##*:}"
}

# mxtls send to it, encrypted or not at all unless the arguments say otherwise
send() {
    timeout 60 "$MXTLS" send --via "[127.0.0.1]:${AT##*:}" --no-queue -f a@sender.test "$@" u@ok.test < "$D/mail"
}

# An independent client: `python NAME` runs one of the functions below
python() {
    timeout 60 python3 - "$AT" "$@" <<'PYTHON'
import smtplib, socket, ssl, sys
host, port = sys.argv[1].split(":")
ca = sys.argv[3] if len(sys.argv) > 3 else None
def smtp():
    return smtplib.SMTP(host, int(port), "client.box.test", 20)
def tls():
    s = smtp()
    s.ehlo()
    context = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()
    import warnings; warnings.simplefilter("ignore")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT@SECLEVEL=" + ("2" if ca else "0"))
    s.starttls(context=context)
    s.ehlo()
    return s
def message(s):
    print(s.sendmail("a@sender.test", ["u@ok.test"], "Subject: x\r\n\r\nx\r\n"))
try:
    what = sys.argv[2]
    if what == "ehlo":
        s = smtp()
        print(s.ehlo())
    elif what == "tls":
        s = tls()
        print("inside", s.sock.version())
        message(s)
    elif what == "clear":
        message(smtp())
    print("ok")
except (OSError, smtplib.SMTPException) as e:
    print(type(e).__name__, e)
PYTHON
}

@test "not-offered and masked: what a downgrade looks like (reference C1)" {
    start --fault EHLO=not-offered
    probe
    has '"starttls_state":"not-offered","starttls":null'
    has '"keyword_masked":false'
    run -0 python ehlo
    has_not STARTTLS
    start --fault EHLO=masked
    probe
    has '"keyword_masked":true'
    run -0 python ehlo
    has XXXXXXXA
    # and mail that must be encrypted does not go
    echo '* tls=encrypt' > "$D/policy"
    run ! send --policy "$D/policy"
    new_mail "$BOX_OF" 0
}

@test "4xx, 5xx and 354 to STARTTLS: nothing but 220 begins TLS (reference C2)" {
    local code
    for code in 354 454 554; do
        start --fault "STARTTLS=reply:$code 4.7.0 not now"
        probe
        has "\"starttls_code\":$code"
        has '"starttls_state":"refused"'
        run -0 python tls
        has_not "inside"
        has_not $'\nok'
    done
}

@test "220 and then the end, noise, an alert, silence: a failed handshake, and nothing in clear behind it (reference C12)" {
    start --fault TLS=drop
    probe
    has '"starttls_state":"failed"'
    run -0 python tls
    has_not "inside"
    start --fault TLS=garbage --fault-seed 3
    probe
    has '"status":"handshake-error"'
    run -0 python tls
    has "SSLError"
    start --fault TLS=alert:71
    probe
    has '"alert":"received insufficient_security"'
    run -0 python tls
    has INSUFFICIENT_SECURITY
    run bash -c "printf 'quit\r\n' | timeout 20 openssl s_client -starttls smtp -connect $AT 2>&1"
    has "alert number 71"
    start --fault TLS=stall --handshake-timeout 600ms
    probe --timeout 300ms
    has '"starttls_state":"failed"'
    has '"status":"handshake-error"'
    run -0 python tls
    has_not "inside"
    listen_said "fault$N" '"event":"tls-failed".*"outcome":"fault: stall"'
}

@test "the handshake cut after N bytes, of ours: never a success (reference C9)" {
    local n
    for n in 0 1 5 100 700; do
        start --fault "TLS=cut:$n"
        probe
        has '"starttls_state":"failed"'
        run -0 python tls
        has_not "inside"
    done
}

@test "a reply injected behind 220, whole and in part: mxtls sends no ClientHello (CVE-2021-38371, nodemailer)" {
    local text
    for text in '250-EVIL\r\n250 evil\r\n' '250-EVIL'; do
        start --fault "STARTTLS=inject:$text"
        probe
        has '"status":"protocol-error"'
        matches '"post_220_bytes":[1-9]'
        run ! send
        listen_said "fault$N" '"event":"tls-failed"'
        new_mail "$BOX_OF" 0
        # a client that throws the bytes away gets its handshake, so it is a real test
        run -0 python3 - "$AT" <<'PYTHON'
import socket, ssl, sys
host, port = sys.argv[1].split(":")
s = socket.create_connection((host, int(port)), 20)
def until(end):
    text = b""
    while end not in text:
        data = s.recv(4096)
        assert data, text
        text += data
    return text
until(b"ESMTP\r\n")
s.sendall(b"EHLO c.test\r\n")
until(b"250 ENHANCEDSTATUSCODES\r\n")
s.sendall(b"STARTTLS\r\n")
print(until(b"EVIL"))
tls = ssl._create_unverified_context().wrap_socket(s)
tls.sendall(b"EHLO c.test\r\n")
print(tls.version(), tls.recv(4096)[:4])
PYTHON
        has "TLSv1.3 b'250-'"
    done
}

@test "certificates with exactly one thing wrong, to clients that trust their root (reference C10, C11)" {
    local row kind python probe
    for row in "good|inside|\"browser_trusted\":true" "wrong-name|mismatch|\"matches_mx\":false" \
        "expired|expired|\"expired\":true" "not-yet|not yet valid|\"browser_trusted\":false" \
        "self-signed|self.signed|\"self_signed\":true" "untrusted|unable to get local issuer|\"browser_trusted\":false" \
        "weak|too (weak|small)|\"bits\":1024" "huge|excessive|\"complete\":false"; do
        IFS='|' read -r kind python probe <<< "$row"
        [ "$kind" = weak ] && python='(too (weak|small))' # the '|' was one of the row
        [ "$kind" = weak ] && probe='"bits":1024'
        start --fault "TLS=cert:$kind" --fault-ca "$D/root.crt"
        run -0 python tls "$D/root.crt"
        matches "$python"
        [ "$kind" = good ] || has_not "inside"
        probe --ca-file "$D/root.crt"
        has "$probe"
        # what is wrong is the only thing
        case $kind in
        wrong-name) has '"browser_trusted":true' ;;
        expired | not-yet | self-signed | untrusted | good) has '"matches_mx":true' ;;
        esac
    done
}

@test "old TLS only: reported by probe, refused by a policy that wants more" {
    start --fault TLS=version:TLSv1.1
    probe
    has '"version":{"name":"TLSv1.1"'
    run -0 python tls
    has "inside TLSv1.1"
    echo '* tls=encrypt min-tls=1.2' > "$D/policy"
    find "$BOX_OF/new" -type f -delete
    run ! send --policy "$D/policy"
    new_mail "$BOX_OF" 0
}

@test "close_notify in the middle of a reply inside TLS is no reply (reference C13)" {
    start --fault MAIL=close-notify
    run ! send
    new_mail "$BOX_OF" 0
    run -0 python tls
    has "inside"
    has "Connection unexpectedly closed"
    # a drop: no close_notify, either
    start --fault MAIL=drop
    run ! send
    run -0 python tls
    has "inside"
    has_not $'\nok'
}

@test "drop after the final dot: the message is there, and the client must not know (RFC 1047, reference C20)" {
    start --fault .=drop
    run ! send
    new_mail "$BOX_OF" 1
    find "$BOX_OF/new" -type f -delete
    run -0 python clear
    has "Connection unexpectedly closed"
    new_mail "$BOX_OF" 1
}

@test "slow bytes: a reply that comes a byte at a time is a reply, unless the deadline is shorter (reference C8)" {
    start --fault EHLO=slow:5ms
    probe
    has '"status":"success"'
    run -0 python tls
    has "inside"
    has "ok"
    start --fault EHLO=slow:200ms
    probe --timeout 1s
    has '"status":"io-timeout"'
    # STARTTLS, too, and the handshake goes on behind it
    start --fault STARTTLS=slow:5ms
    run -0 python tls
    has "inside"
}

@test "by recipient: only mail for that local part has the fault, and the rest goes" {
    start --fault 'RCPT/to:tempfail=reply:451 4.7.1 later' --fault 'DATA/to:nodata=reply:554 5.6.0 no' --fault './to:lost=drop'
    run -0 python3 - "$AT" <<'PYTHON'
import smtplib, sys
for to, want in (("u", 250), ("TempFail", 451), ("nodata", 554), ("lost", 0), ("u", 250)):
    s = smtplib.SMTP(*sys.argv[1].split(":"), "client.box.test", 20)
    s.ehlo()
    s.mail("a@sender.test")
    code = s.rcpt(to + "@ok.test")[0]
    if code == 250:
        try:
            code = s.data("Subject: x\r\n\r\nx\r\n")[0]
        except smtplib.SMTPServerDisconnected:
            code = 0
        except smtplib.SMTPDataError as e:
            code = e.smtp_code
    assert code == want, (to, code, want)
    s.close()
print("as asked for")
PYTHON
    new_mail "$BOX_OF" 3
}

# bats test_tags=fibers
@test "with a probability, by a seed that brings the same again" {
    local seed out=()
    for seed in 5 5 6; do
        start --fault 'NOOP/p:30%=reply:450 4.7.1 by chance' --fault-seed $seed
        out+=("$(python3 - "$AT" <<'PYTHON'
import smtplib, sys
s = smtplib.SMTP(*sys.argv[1].split(":"), "client.box.test", 20)
print("".join("x" if s.noop()[0] == 450 else "." for i in range(300)))
PYTHON
        )")
    done
    same "${out[0]}" "${out[1]}"
    [ "${out[0]}" != "${out[2]}" ]
    local hits=${out[0]//./}
    [ "${#hits}" -gt 60 ] && [ "${#hits}" -lt 120 ]
}

@test "any command to any reply, under TLS as well; a fault that is none, or without TLS, stops the start" {
    start --fault 'VRFY=reply:999 nonsense'
    run -0 python3 - "$AT" <<'PYTHON'
import smtplib, ssl, sys
s = smtplib.SMTP(*sys.argv[1].split(":"), "client.box.test", 20)
s.starttls(context=ssl._create_unverified_context())
s.ehlo()
print(s.verify("x"))
PYTHON
    has "(999, b'nonsense')"
    # every point but TLS, and QUIT still ends the session
    start --fault '*=reply:451 4.7.1 not today'
    run -0 python3 - "$AT" <<'PYTHON'
import socket, sys
host, port = sys.argv[1].split(":")
f = socket.create_connection((host, int(port)), 20).makefile("rwb")
for command in "", "EHLO c.test", "MAIL FROM:<a@sender.test>", "RSET", "QUIT":
    if command:
        f.write(command.encode() + b"\r\n")
        f.flush()
    assert f.readline() == b"451 4.7.1 not today\r\n", command
assert f.readline() == b""
PYTHON
    local row
    for row in TLS/to:u=stall TLS=explode MAIL=not-offered TLS=alert:300 TLS=cert:none EHLO/p:2=drop; do
        run -64 timeout 10 "$MXTLS" listen --self-signed --deliver discard --fault "$row" 127.0.0.1:0
        has "'$row' is no fault: expected POINT"
    done
    run -64 timeout 10 "$MXTLS" listen --tls off --deliver discard --fault TLS=stall 127.0.0.1:0
    has "no address has TLS"
    run -73 timeout 10 "$MXTLS" listen --self-signed --deliver discard --fault TLS=cert:good --fault-ca "$D/none/x" 127.0.0.1:0
    has "cannot create $D/none/x"
}

@test "README: the fault servers start as they are written there" {
    local line n=0
    cd "$D" || return
    while IFS= read -r line; do
        n=$((n + 1))
        peer_start "readme$n" '^listening on ' bash -c "exec ${line/mxtls listen/'$MXTLS' listen}"
        peer_stop "readme$n"
        same "$PEER_STATUS" 0
    done < <(sed -n '/^A server that misbehaves/,/^##/{s/^    \(\$ \)*//p}' "$ROOT/README.md" | sed -e ':a' -e '/\\$/{N;s/\\\n *//;ba}')
    same "$n" 4
    file_has root.crt "BEGIN CERTIFICATE"
}
