# mxtls listen under attack: smuggling, injection, relaying, floods, limits; and its faults on purpose.
load lib/rig
load lib/listen

MAIN=192.0.2.50:25

setup_file() {
    certs_make
    listen_start main --hostname mx.box.test --cert "$CERTS/both-rsa.chain" --key "$CERTS/both-rsa.key" \
        --cert "$CERTS/both-ecdsa.chain" --key "$CERTS/both-ecdsa.key" --accept ok.test --max-size 100000 \
        --max-recipients 5 --max-connections-per-address 300 --max-connections-per-minute 0 --deliver "maildir:$BOX/main" $MAIN
}

setup() {
    D=$BATS_TEST_TMPDIR
    find "$BOX/main/new" -type f -delete
}

teardown() {
    listen_stop_all
    same "$(find "$BOX/main/tmp" -type f)" ""
}

teardown_file() {
    listen_stop_all
}

clients() {
    "$ROOT/tests/peers/listen_clients.py" "$@"
}

# start NAME OPTION...: a receiver on loopback, for faults and limits; AT is where
start() {
    listen_start "$1" --self-signed --accept ok.test --deliver "maildir:$D/$1" "${@:2}" 127.0.0.1:0
    AT=$(listen_at "$1")
}

peer() {
    "$ROOT/tests/peers/smtp_peer.py" "$@"
}

# --- tables (tests/peers/listen_clients.py) ------------------------------------------------------

@test "no form of a false end of data is taken for one, in clear and over TLS (reference S6, S7)" {
    local tls
    for tls in "" --tls; do
        # shellcheck disable=SC2086 # words
        run -0 clients $MAIN table smuggling $tls
        has "24 rows ok"
    done
    # the good ones only
    same "$(new_mail "$BOX/main")" 8
    run -1 grep -r evil "$BOX/main/new"
}

@test "commands: bare bytes, lengths, order, limits, other protocols, in clear and over TLS" {
    local tls
    for tls in "" --tls; do
        # shellcheck disable=SC2086 # words
        run -0 clients $MAIN table syntax $tls
        has "30 rows ok"
    done
}

@test "no relaying: the forms of nmap's smtp-open-relay and some more, in clear and over TLS (reference S12)" {
    local tls
    for tls in "" --tls; do
        # shellcheck disable=SC2086 # words
        run -0 clients $MAIN table relay $tls
        has "34 rows ok"
    done
    new_mail "$BOX/main" 0
}

@test "what comes in clear behind STARTTLS is never run, and nothing is said in clear after 220 (reference S1, S3, S4)" {
    run -0 clients $MAIN table switch
    has "13 rows ok"
}

@test "inside TLS nothing of before counts, and there is no second STARTTLS (RFC 3207 s4.2)" {
    run -0 clients $MAIN table inside
    has "7 rows ok"
}

@test "curl's HTTP gets 502, or 554 when it was quicker than the greeting, and the end (ALPACA, reference S24)" {
    run curl -sS --http0.9 --max-time 10 -d 'EHLO x' http://$MAIN/
    matches '^(502 5.5.1|554 5.5.0) '
    has_not "250"
}

@test "TLS that is closed or cut in a message delivers nothing, and a byte in clear after it means nothing (CVE-2026-45185)" {
    run -0 python3 - $MAIN <<'PYTHON'
import socket, ssl, sys
host, port = sys.argv[1].split(":")
def session(end):
    s = socket.create_connection((host, int(port)), 20)
    f = s.makefile("rb", 0)
    f.readline()
    s.sendall(b"EHLO client.box.test\r\n")
    while f.readline()[3:4] == b"-":
        pass
    s.sendall(b"STARTTLS\r\n")
    assert f.readline().startswith(b"220")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    read, write = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(read, write)
    def go(fn, *args):
        while True:
            try:
                done = fn(*args)
            except ssl.SSLWantReadError:
                s.sendall(write.read())
                data = s.recv(65536)
                read.write(data) if data else read.write_eof()
            else:
                s.sendall(write.read())
                return done
    go(tls.do_handshake)
    for line in (b"EHLO client.box.test\r\n", b"MAIL FROM:<a@sender.test>\r\n", b"RCPT TO:<u@ok.test>\r\n", b"DATA\r\n"):
        go(tls.write, line)
        assert go(tls.read, 65536)[:1] in b"23"
    go(tls.write, b"Subject: x\r\n\r\ntext\r\n")
    if end == "notify":
        try:
            tls.unwrap()
        except ssl.SSLError:
            pass
        s.sendall(write.read() + b".")
    elif end == "clear":
        s.sendall(b".\r\n")
    elif end == "bad record":
        tls.write(b".\r\n")
        data = bytearray(write.read())
        data[-1] ^= 1
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass
for end in ("notify", "clear", "bad record", "cut"):
    session(end)
PYTHON
    new_mail "$BOX/main" 0
    run -0 clients $MAIN load 1 "$D/acked" --messages 1 --tls
}

# --- STARTTLS that does not come to its end -------------------------------------------------------

# bats test_tags=fibers
@test "a handshake that stalls, is reset or is noise holds nobody up (reference S4)" {
    local i
    for i in 1 2 3; do
        peer_start stall$i 'C: .x16' "$ROOT/tests/peers/smtp_peer.py" --connect $MAIN 'reply 220' 'send EHLO x' \
            'reply 250' 'send STARTTLS' 'reply 220' 'raw \x16\x03\x01' 'stall 20000'
        run -0 peer --connect $MAIN 'reply 220' 'send EHLO x' 'reply 250' 'send STARTTLS' 'reply 220' 'reset'
        run -0 peer --connect $MAIN 'reply 220' 'send EHLO x' 'reply 250' 'send STARTTLS' 'reply 220' 'raw \x16' 'random 5000' 'until-close'
    done
    run -0 clients $MAIN load 3 "$D/acked" --messages 3 --tls
    same "$(wc -l < "$D/acked")" 9
    for i in 1 2 3; do peer_stop stall$i KILL; done
}

@test "a handshake the server refuses ends with its alert, not with a reset" {
    run peer --connect $MAIN --max-tls 1.1 --min-tls 1.0 --ciphers 'ALL:@SECLEVEL=0' 'reply 220' 'send EHLO x' 'reply 250' 'send STARTTLS' 'reply 220' 'tls'
    matches 'tls-failed .*(PROTOCOL_VERSION|ALERT)'
}

# --- limits --------------------------------------------------------------------------------------

@test "--max-connections and --max-connections-per-address: 421 4.7.0, and a place is free again" {
    local first
    start total --max-connections 2
    dial "$AT"
    hear 220
    first=$DIALLED
    dial "$AT"
    hear 220
    dial "$AT"
    hear "421 4.7.0"
    hear closed
    # shellcheck disable=SC2030 # of this test
    DIALLED=$first
    say QUIT
    hear 221
    hear closed
    served "$AT"
    start each --max-connections-per-address 1
    dial "$AT"
    hear 220
    dial "$AT"
    hear "421 4.7.0"
    hear closed
    # another address has its own
    printf 'Subject: x\r\n' > "$D/mail"
    run -0 curl -sS --interface 127.0.0.9 --url "smtp://$AT/client.box.test" --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail"
    new_mail "$D/each" 1
}

# shellcheck disable=SC2031 # each test has its own
# served ADDRESS: within 10 s a connection is greeted
served() {
    local end=$((SECONDS + 10))
    while ((SECONDS < end)); do
        dial "$1"
        if IFS= read -r -t 10 -u "$DIALLED" HEARD && [[ $HEARD == 220* ]]; then return; fi
        hang_up
    done
    assert_fail "never served again" "$HEARD"
}

@test "--max-connections-per-address counts an IPv6 /64 as one" {
    listen_start six --self-signed --accept ok.test --deliver discard --max-connections-per-address 1 '[2001:db8::51]:0'
    local at port
    at=$(listen_at six)
    port=${at##*:}
    peer_start held 'S: 220' "$ROOT/tests/peers/smtp_peer.py" --connect "[2001:db8::51]:$port" 'reply 220' 'stall 20000'
    run ! timeout 10 bash -c "printf 'QUIT\r\n' | socat - 'TCP6:[2001:db8::51]:$port,bind=[2001:db8::52]' | grep ^220"
    run -0 timeout 10 bash -c "printf '' | socat - 'TCP6:[2001:db8::51]:$port,bind=[2001:db8::53]'"
    has "421 4.7.0"
    peer_stop held KILL
}

@test "--max-connections-per-minute: more of one address get 421, others, loopback and who may relay do not" {
    listen_start rate --tls off --relay-from 192.0.2.57 --deliver discard --max-connections-per-minute 2 --workers 2 192.0.2.58:2525 127.0.0.1:2525
    run -0 timeout 60 python3 - <<'PYTHON'
import socket
def greeting(source, to="192.0.2.58"):
    with socket.create_connection((to, 2525), 20, (source, 0)) as s:
        return s.recv(100)[:9]
for source in "192.0.2.58", "192.0.2.59":
    got = [greeting(source) for i in range(4)]
    assert got[0][:4] == got[1][:4] == b"220 " and got[2:] == [b"421 4.7.0"] * 2, (source, got)
for i in range(4):
    assert greeting("192.0.2.57")[:4] == greeting("127.0.0.1", "127.0.0.1")[:4] == b"220 "
PYTHON
    listen_said rate 'too many connections of this client in a minute'
}

@test "--bare-lf normalize: LF is CRLF for clients of --relay-from, never the end of data, and for nobody else (DECISIONS F43)" {
    listen_start lf --tls off --accept ok.test --relay-from 192.0.2.59 --bare-lf normalize --deliver "maildir:$D/lf" 192.0.2.58:2525
    run -0 timeout 60 python3 - <<'PYTHON'
import socket
def talk(source, *turns):
    with socket.create_connection(("192.0.2.58", 2525), 20, (source, 0)) as s:
        file, codes = s.makefile("rb"), []
        def replies(n):
            while n > 0:
                line = file.readline()
                if line[3:4] == b" " or not line:
                    codes.append(line[:3].decode() or "closed")
                    n -= 1
        replies(1)
        for turn in turns:
            s.sendall(turn)
            replies(1)
        return " ".join(codes)
hello = b"HELO client.box.test\n", b"MAIL FROM:<a@x.test>\n", b"RCPT TO:<u@ok.test>\n", b"DATA\n"
text = b"Subject: lf\n\none\n.\nMAIL FROM:<evil@x.test>\n.\r\n..two\r\n.\nthree\n\r\n.\r\n"
assert talk("192.0.2.59", *hello, text, b"QUIT\n") == "220 250 250 250 354 250 221"
assert talk("192.0.2.59", b"NOOP\rX\n") == "220 521"
assert talk("192.0.2.59", b"NO\0OP\n") == "220 521"
assert talk("192.0.2.59", *hello, b"a\rb\n\r\n.\r\n") == "220 250 250 250 354 521"
assert talk("192.0.2.58", b"NOOP\r\n", hello[0]) == "220 250 521"
strict = [line.replace(b"\n", b"\r\n") for line in hello]
assert talk("192.0.2.58", *strict, text) == "220 250 250 250 354 521"
PYTHON
    new_mail "$D/lf" 1
    same "$(sed '1,/^Subject/d' "$MAIL")" "$(printf '\none\n\nMAIL FROM:<evil@x.test>\n\n.two\n\nthree\n')"
    run -64 "$MXTLS" listen --tls off --accept ok.test --bare-lf normalize --deliver discard 127.0.0.1:0
    has "--bare-lf normalize is for clients of --relay-from, and there are none"
}

@test "--timeout: 421 4.4.2, for silence and for a line that drips, also in a message" {
    start timeout --timeout 300ms
    run -0 peer --connect "$AT" 'reply 220' 'reply 421 4.4.2' 'until-close'
    run peer --connect "$AT" 'reply 220' 'drip 50 EHLO client.box.test.and.more\r\n' 'reply 421 4.4.2'
    matches 'S: 421 4.4.2|Broken pipe|reset'
    run peer --connect "$AT" 'reply 220' 'send EHLO x' 'reply 250' 'send MAIL FROM:<a@sender.test>' 'reply 250' \
        'send RCPT TO:<u@ok.test>' 'reply 250' 'send DATA' 'reply 354' 'drip 40 a message that is far too slow to be taken' 'reply 421 4.4.2'
    matches 'S: 421 4.4.2|Broken pipe|reset'
    new_mail "$D/timeout" 0
}

@test "--stop-after: the last message wanted gets its 250, and the receiver ends well" {
    local workers
    for workers in 0 2; do
        if [ "$workers" = 0 ] && [ -n "${MXTLS_NO_FIBERS:-}" ]; then continue; fi
        start "stops$workers" --stop-after 2 --workers "$workers"
        printf 'Subject: x\r\n' > "$D/mail"
        run -0 curl -sS --url "smtp://$AT/client.box.test" --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail"
        run -0 curl -sS --url "smtp://$AT/client.box.test" --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail"
        peer_end "stops$workers"
        same "$PEER_STATUS" 0
        new_mail "$D/stops$workers" 2
        listen_said "stops$workers" '2 messages, 0 of them over TLS'
    done
}

@test "the wall clock jumps a year ahead and back: no session ends by it, and deadlines still hold (reference S35)" {
    local shim
    shim=$(dirname "$MXTLS")/tests/torture/shim.so
    [ -e "$shim" ] || make -s -C "$ROOT" "B=$(dirname "$MXTLS")" "$shim"
    jump() { python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("q", int(sys.argv[2])))' "$D/clock" "$1"; }
    head -c 8 /dev/zero > "$D/clock"
    local -a with=(env "LD_PRELOAD=$shim" "TORTURE_CLOCK=$D/clock"
        "ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0:detect_leaks=0" "$MXTLS" listen --workers 0 --tls off
        --accept ok.test --deliver "maildir:$D/box")
    peer_start clock '^listening on' "${with[@]}" 127.0.0.1:0
    AT=$(listen_at clock)
    dial "$AT"
    hear 220
    say "EHLO client.box.test"
    hear 250
    local by
    for by in 31536000 -31536000; do
        jump $by
        say "MAIL FROM:<a@sender.test>"
        hear 250
        say "RCPT TO:<u@ok.test>"
        hear 250
        say DATA
        hear 354
        say .
        hear 250
    done
    # it is the clock that was wrong
    same "$(sed -n 's/^\t.*, [0-9]* [A-Z][a-z]* \(20[0-9]*\) .*/\1/p' "$D"/box/new/* | sort -u | wc -l)" 2
    peer_stop clock
    same "$PEER_STATUS" 0
    peer_start quick '^listening on' "${with[@]}" --timeout 500ms 127.0.0.1:0
    dial "$(listen_at quick)"
    hear 220
    jump -63072000
    hear "421 4.4.2"
    peer_stop quick
    same "$PEER_STATUS" 0
}

# bats test_tags=fibers
@test "idle, dripping and flooding clients do not keep a good one from its 250" {
    local kind
    for kind in "idle 200" "drip 50" "noop 4" "data 4" "noop 4 --tls" "data 4 --tls" "idle 30 --tls" "drip 30 --tls"; do
        # shellcheck disable=SC2086 # words
        run -0 timeout 60 "$ROOT/tests/peers/listen_clients.py" $MAIN crowd $kind
        matches '^good client: taken after [0-9]{1,4} ms$'
    done
}

# bats test_tags=fibers
@test "1,000 clients that drip a command keep no good one from its 250, though the places run out (reference S14)" {
    start drips --max-connections 1150 --max-connections-per-address 20
    run -0 timeout 120 python3 - "$AT" <<'PYTHON'
import smtplib, socket, sys, threading, time
host, port = sys.argv[1].split(":")
drips = []
for i in range(1000):
    s = socket.create_connection((host, int(port)), 20, ("127.0.%d.%d" % (1 + i // 200, 1 + i % 200), 0))
    drips.append(s)
for s in drips: # who talks ahead of the greeting is gone at once
    assert s.recv(200)[:3] == b"220"
    s.setblocking(False)
stop = threading.Event()
def drip():
    while not stop.is_set():
        for s in drips:
            try:
                s.send(b"E")
            except OSError:
                pass
        stop.wait(1)
thread = threading.Thread(target=drip)
thread.start()
try:
    begin = time.monotonic()
    with smtplib.SMTP(host, int(port), "client.box.test", 20) as s:
        s.starttls()
        s.sendmail("a@sender.test", ["u@ok.test"], "Subject: x\r\n\r\nx\r\n")
    print("taken after %.1f s" % (time.monotonic() - begin))
    # a whole line has its deadline, 10 s by now, however often a byte comes: until there is room again
    end, gone = time.monotonic() + 60, set()
    while len(gone) < 80 and time.monotonic() < end:
        time.sleep(0.2)
        for s in drips:
            try:
                if b"421 4.4.2" in s.recv(200):
                    gone.add(s)
            except OSError:
                pass
    print(len(gone), "let go")
    assert len(gone) >= 80
finally:
    stop.set()
    thread.join()
PYTHON
    matches '^taken after [0-9]\.[0-9] s$'
    has "let go"
}

@test "--lifetime, --max-errors, --max-messages: a session that takes too long, too many or too much ends with 421" {
    start life --lifetime 1s --max-errors 3 --max-messages 2
    dial "$AT"
    hear 220
    hear 421
    hear closed
    local i
    dial "$AT"
    hear 220
    say NONSENSE
    hear 500
    say NONSENSE
    hear 500
    say NONSENSE
    hear "421 4.7.0 Too many errors"
    hear closed
    run -0 python3 - "$AT" <<'PYTHON'
import smtplib, sys
s = smtplib.SMTP(*sys.argv[1].split(":"), "client.box.test", 20)
s.ehlo()
assert s.esmtp_features["limits"] == "RCPTMAX=100 MAILMAX=2", s.esmtp_features
for i in range(2):
    s.sendmail("a@sender.test", ["u@ok.test"], "Subject: x\r\n\r\nx\r\n")
print(s.mail("a@sender.test"))
PYTHON
    has "421, b'4.7.0 No more messages in this session"
    new_mail "$D/life" 2
}

# bats test_tags=fibers
@test "a big message passes in constant memory, in clear and over TLS" {
    # what AddressSanitizer keeps of freed memory is no growth
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=4 listen_start big --self-signed --accept ok.test --deliver discard --max-size 1G 127.0.0.1:0
    run -0 timeout 240 python3 - "$(listen_at big)" "$(peer_pid big)" <<'PYTHON'
import smtplib, sys
host, port = sys.argv[1].split(":")
def peak():
    return int(next(l for l in open("/proc/%s/status" % sys.argv[2]) if l.startswith("VmHWM")).split()[1])
def big(tls, size):
    s = smtplib.SMTP(host, int(port), "client.box.test", 60)
    if tls:
        s.starttls()
    s.ehlo()
    s.mail("a@sender.test")
    s.rcpt("u@ok.test")
    s.docmd("DATA")
    block = b"Subject: this is no header any more, and long enough for a line\r\n" * 1024
    for i in range(size // len(block)):
        s.send(block)
    s.send(b".\r\n")
    assert s.getreply()[0] == 250
    s.quit()
for tls in (False, True):
    big(tls, 1 << 20)
before = peak()
for tls in (False, True):
    big(tls, 150 << 20)
print("grown by", peak() - before, "KiB")
assert peak() - before < 16384, peak() - before
PYTHON
    has "grown by"
}

# bats test_tags=fibers
@test "running out of descriptors: those who come get 421 or wait, and it recovers (reference S16)" {
    peer_start emfile '^listening on' prlimit --nofile=24:24 "$MXTLS" listen --tls off --accept ok.test \
        --deliver "maildir:$D/emfile" 127.0.0.1:0
    run -0 clients "$(listen_at emfile)" exhaust 40
    matches '^greeted [1-9][0-9]* refused [1-9]'
    has taken
    listen_said emfile 'accept: Too many open files: connections wait'
    peer_stop emfile
    same "$PEER_STATUS" 0
    new_mail "$D/emfile" 1
}

@test "a client that does not read its replies, or vanishes, ends without harm" {
    run peer --connect $MAIN 'repeat 20000 NOOP\r\n' 'reset'
    run peer --connect $MAIN 'reply 220' 'send EHLO x' 'repeat 20000 NOOP\r\n' 'cut'
    run peer --connect $MAIN 'reset'
    run -0 clients $MAIN load 1 "$D/acked" --messages 1
}

# --- faults on purpose ---------------------------------------------------------------------------

@test "--fault reply: the answer is another one, and the command has no effect" {
    start reply --fault 'mail=reply:451 4.7.1 greylisted' --fault 'RSET=reply:250-a\r\n250 b'
    dial "$AT"
    hear 220
    say "EHLO client.box.test"
    hear 250
    say "MAIL FROM:<a@sender.test>"
    hear "451 4.7.1 greylisted"
    say "RCPT TO:<u@ok.test>"
    hear 503
    say RSET
    hear "250 b"
}

@test "--fault reply at EHLO, STARTTLS and the end of data" {
    start points --fault 'EHLO=reply:250-mx\r\n250 XXXXXXXA' --fault 'STARTTLS=reply:454 4.7.0 no' --fault '.=reply:554 5.7.1 spam'
    dial "$AT"
    hear 220
    say "EHLO client.box.test"
    hear "250 XXXXXXXA"
    say STARTTLS
    hear "454 4.7.0 no"
    say "MAIL FROM:<a@sender.test>"
    hear 250
    say "RCPT TO:<u@ok.test>"
    hear 250
    say DATA
    hear 354
    say "Subject: x"
    say .
    hear "554 5.7.1 spam"
    new_mail "$D/points" 0
    same "$(find "$D/points/tmp" -type f)" ""
}

@test "--fault delay, also of the handshake; --fault cut" {
    start late --fault 'NOOP=delay:200ms' --fault 'STARTTLS=delay:200ms'
    run -0 python3 - "$AT" <<'PYTHON'
import smtplib, sys, time
s = smtplib.SMTP(*sys.argv[1].split(":"), "client.box.test", 20)
for command in (s.ehlo, s.noop, s.starttls):
    begin = time.monotonic()
    command()
    print(command.__name__, "late" if time.monotonic() - begin >= 0.2 else "at once")
PYTHON
    has "noop late"
    has "starttls late"
    start cut --fault 'EHLO=cut:7' --fault '.=cut:0'
    run -1 peer --connect "$AT" 'reply 220' 'send EHLO x' 'reply 250'
    has "failed reply: the peer closed"
    # the reply is lost, the message is not (RFC 1047)
    run peer --connect "$AT" 'reply 220' 'send HELO x' 'reply 250' 'send MAIL FROM:<a@sender.test>' 'reply 250' \
        'send RCPT TO:<u@ok.test>' 'reply 250' 'send DATA' 'reply 354' 'send x' 'send .' 'reply 250'
    has "failed reply: the peer closed"
    new_mail "$D/cut" 1
}

@test "--fault injects a reply behind 220, which mxtls itself notices (CVE-2021-38371)" {
    start inject --fault 'STARTTLS=reply:220 go\r\n250 early'
    run -0 peer --connect "$AT" 'reply 220' 'send EHLO x' 'reply 250' 'send STARTTLS' 'reply 220' 'reply 250 early'
}

@test "--fault listens on loopback only, unless --fault-anywhere is given (DECISIONS F43)" {
    run -64 timeout 10 "$MXTLS" listen --self-signed --deliver discard --fault 'EHLO=reply:500 no' 192.0.2.52:0
    has "--fault-anywhere"
    run -64 timeout 10 "$MXTLS" listen --self-signed --deliver discard --fault 'EHLO=reply:500 no' 127.0.0.1:0 :0
    has_not "listening"
    listen_start anywhere --self-signed --deliver discard --fault 'GREETING=reply:554 go away' --fault-anywhere 192.0.2.52:0
    dial "$(listen_at anywhere)"
    hear "554 go away"
}
