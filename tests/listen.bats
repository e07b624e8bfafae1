# mxtls listen with real clients: STARTTLS, delivery, durability, running and stopping.
load lib/rig
load lib/listen

# The receivers most tests talk to: STARTTLS offered (RSA and ECDSA), required and off.
MAIN=192.0.2.40:25 REQUIRED=192.0.2.41:25 OFF=192.0.2.42:25

setup_file() {
    certs_make
    echo '192.0.2.40 both.box.test' >> /etc/hosts
    local common=(--hostname mx.box.test --accept ok.test --accept bücher.test --max-connections-per-address 300)
    local pairs=(--cert "$CERTS/both-rsa.chain" --key "$CERTS/both-rsa.key"
        --cert "$CERTS/both-ecdsa.chain" --key "$CERTS/both-ecdsa.key")
    listen_start main "${common[@]}" "${pairs[@]}" --deliver "maildir:$BOX/main" --log json -v $MAIN
    listen_start required "${common[@]}" "${pairs[@]}" --tls required --deliver "maildir:$BOX/required" $REQUIRED
    listen_start off "${common[@]}" --tls off --deliver "maildir:$BOX/off" $OFF
}

setup() {
    D=$BATS_TEST_TMPDIR
    # what is found in new/ belongs to this test
    find "$BOX"/main/new "$BOX"/required/new "$BOX"/off/new -type f -delete
    printf 'From: a@sender.test\r\nSubject: hello\r\n\r\n.one dot\r\n..two\r\n\r\nlast line\r\n' > "$D/mail"
}

teardown() {
    listen_stop_all
    # nothing half written is ever left
    same "$(find "$BOX"/main/tmp "$BOX"/required/tmp "$BOX"/off/tmp -type f)" ""
}

teardown_file() {
    listen_stop_all
}

# starttls ADDRESS:PORT ARG...: what openssl sees; QUIT behind the handshake
starttls() {
    local at=$1
    shift
    # with an upper-case Q it would hang up itself
    printf 'quit\r\n' | timeout 20 openssl s_client -connect "$at" -starttls smtp -ign_eof \
        -CAfile "$CERTS/root.crt" -verify_hostname both.box.test "$@" 2>&1
}

# The lines of a stored message, from its first own header field on
body_of() {
    sed -n '/^From: a@sender.test/,$p' "$1"
}

clients() {
    "$ROOT/tests/peers/listen_clients.py" "$@"
}

# --- TLS -----------------------------------------------------------------------------------------

@test "openssl s_client gets TLS 1.2 and 1.3, the whole chain, and no session ticket (reference S22)" {
    local version
    for version in 1.2 1.3; do
        run -0 starttls $MAIN "-tls${version/./_}"
        has "New, TLSv$version, Cipher is"
        has "Verification: OK"
        has "Verify return code: 0 (ok)"
        has_not "New Session Ticket arrived"
        has_not "TLS session ticket:"
        has "221 2.0.0 Bye"
    done
    run ! starttls $MAIN -tls1_1 -cipher DEFAULT@SECLEVEL=0
    has "alert protocol version"
}

@test "the client's signature algorithms choose between an RSA and an ECDSA certificate" {
    local version kind
    for version in tls1_2 tls1_3; do
        for kind in both-rsa:RSA-PSS+SHA256:aRSA both-ecdsa:ECDSA+SHA256:aECDSA; do
            IFS=: read -r name sigalgs auth <<< "$kind"
            starttls $MAIN -$version -sigalgs "$sigalgs" -cipher "$auth" > "$D/out"
            openssl x509 -in "$D/out" -outform DER | sha256sum > "$D/fingerprint"
            file_has "$D/fingerprint" "$(cert_fingerprint "$CERTS/$name.crt")"
        done
    done
}

@test "ALPN: smtp is taken, anything else gets an alert and no clear text (ALPACA)" {
    run -0 starttls $MAIN -alpn smtp
    has "ALPN protocol: smtp"
    run ! starttls $MAIN -alpn h2
    has "alert no application protocol"
    run ! starttls $MAIN -alpn http/1.1
    has "alert no application protocol"
}

@test "renegotiation is refused (reference S21)" {
    run bash -c "(echo R; sleep 0.2) | timeout 20 openssl s_client -connect $MAIN -starttls smtp -tls1_2 2>&1"
    has "no renegotiation"
}

@test "gnutls-cli verifies the chain, too" {
    run bash -c "printf 'QUIT\r\n' | timeout 20 gnutls-cli --starttls-proto smtp \
        --x509cafile '$CERTS/root.crt' --port 25 both.box.test"
    has "The certificate is trusted"
    has "221 2.0.0 Bye"
}

@test "required refuses everything in clear with 530 and takes mail over TLS (RFC 3207 s4)" {
    run ! swaks --server 192.0.2.41 --ehlo client.box.test --from a@sender.test --to u@ok.test
    has "530 5.7.0 Must issue a STARTTLS command first"
    new_mail "$BOX/required" 0
    run -0 swaks --server 192.0.2.41 --ehlo client.box.test --from a@sender.test --to u@ok.test -tls
    has "~> MAIL FROM"
    new_mail "$BOX/required" 1
    file_has "$MAIL" "with ESMTPS id"
}

@test "off does not offer STARTTLS and does not know it" {
    dial $OFF
    hear 220
    say "EHLO client.box.test"
    hear "250 ENHANCEDSTATUSCODES"
    say STARTTLS
    hear "502 5.5.1"
    run ! swaks --server 192.0.2.42 --ehlo client.box.test --from a@sender.test --to u@ok.test -tls
    has "STARTTLS"
    new_mail "$BOX/off" 0
}

@test "the words of Postfix mean the same: none, may, encrypt" {
    local word
    for word in none may encrypt; do
        run -0 bash -c "printf 'EHLO a\r\nMAIL FROM:<a@sender.test>\r\nQUIT\r\n' |
            '$MXTLS' listen --self-signed --tls $word --accept ok.test --deliver discard --stdio"
        case $word in
        encrypt) has "530 5.7.0" ;;
        *) has "250 2.1.0" ;;
        esac
    done
}

@test "--min-tls opens and closes versions" {
    listen_start old --self-signed --min-tls TLSv1.0 --deliver discard 192.0.2.43:0
    run -0 starttls "$(listen_at old)" -tls1_1 -cipher DEFAULT@SECLEVEL=0
    has "Protocol  : TLSv1.1"
    listen_start new --self-signed --min-tls TLSv1.3 --deliver discard 192.0.2.43:0
    run ! starttls "$(listen_at new)" -tls1_2
    has "alert protocol version"
}

@test "a certificate or key that cannot be used stops the start, with the file's name (reference S30, F9)" {
    local row cert key word
    openssl pkey -in "$CERTS/rsa.key" -aes128 -passout pass:x -out "$D/encrypted.key"
    echo nonsense > "$D/nonsense"
    for row in "$D/missing|$CERTS/rsa.key|$D/missing: No such file" "$CERTS/rsa.chain|$D/missing|$D/missing: No such file" \
        "$CERTS/rsa.chain|$CERTS/ecdsa.key|$CERTS/ecdsa.key: the key does not belong" \
        "$CERTS/rsa.chain|$D/encrypted.key|$D/encrypted.key: the private key is encrypted" \
        "$D/nonsense|$CERTS/rsa.key|$D/nonsense: no PEM certificate" "$CERTS/rsa.chain|$D/nonsense|$D/nonsense: no PEM private key" \
        "$D|$CERTS/rsa.key|$D: is a directory"; do
        IFS='|' read -r cert key word <<< "$row"
        run -78 timeout 10 "$MXTLS" listen --cert "$cert" --key "$key" --accept ok.test --deliver discard 192.0.2.44:25
        has "$word"
        has_not "listening"
    done
    # nothing listens there
    run -1 bash -c 'exec 3<> /dev/tcp/192.0.2.44/25'
}

@test "wrong usage is told, and nothing is started" {
    local row
    # shellcheck disable=SC2089,SC2090 # words, and their quotes are meant
    for row in "--self-signed --deliver discard|expected 1 to 7 ADDRESS:PORT" "--deliver discard 127.0.0.1:0|STARTTLS needs --cert and --key" \
        "--self-signed 127.0.0.1:0|--deliver is missing" "--self-signed --deliver mh:x 127.0.0.1:0|--deliver: 'mh:x' is not known" \
        "--cert x --deliver discard 127.0.0.1:0|they come in pairs" "--self-signed --deliver discard --stdio 127.0.0.1:0|takes no ADDRESS:PORT" \
        "--self-signed --accept a..b --deliver discard 127.0.0.1:0|'a..b' is no mail domain" "--self-signed --hostname a;b --deliver discard 127.0.0.1:0|'a;b'" \
        "--self-signed --deliver discard --max-size 0 127.0.0.1:0|max-size" "--self-signed --deliver discard nonsense:25|nonsense" \
        "--self-signed --deliver discard --fault EHLO=explode 127.0.0.1:0|EHLO=explode" "--tls starttls --deliver discard 127.0.0.1:0|starttls"; do
        # shellcheck disable=SC2086 # words
        run -64 timeout 10 "$MXTLS" listen ${row%|*}
        has "${row#*|}"
        has_not "listening"
    done
}

# --- mail ----------------------------------------------------------------------------------------

@test "swaks delivers in clear, with STARTTLS, and pipelined" {
    local how
    for how in "" -tls --pipeline "-tls --pipeline" "--protocol SMTP"; do
        # shellcheck disable=SC2086 # words
        run -0 swaks --server 192.0.2.40 --ehlo client.box.test --from a@sender.test --to u@ok.test $how
        has "250 2.0.0 Ok: "
    done
    same "$(new_mail "$BOX/main")" 5
    same "$(grep -l 'with ESMTPS id' "$BOX"/main/new/* | wc -l)" 2
    same "$(grep -l 'with ESMTP id' "$BOX"/main/new/* | wc -l)" 2
    same "$(grep -l 'with SMTP id' "$BOX"/main/new/* | wc -l)" 1
}

@test "a message is stored byte for byte behind Return-Path, Delivered-To and Received (DECISIONS F40)" {
    run -0 curl -sS --url smtp://both.box.test:25/client.box.test --ssl-reqd --cacert "$CERTS/root.crt" \
        --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail"
    new_mail "$BOX/main" 1
    tr -d '\r' < "$D/mail" > "$D/wanted"
    body_of "$MAIL" | cmp - "$D/wanted"
    # shellcheck disable=SC2016 # sed's $
    run -0 sed '/^From: /,$d' "$MAIL"
    same "$(sed -E 's/id [0-9a-z]{16}$/id ID/; $s/^\t[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} \+0000$/\tDATE/' <<< "$output")" \
        "Return-Path: <a@sender.test>
Delivered-To: u@ok.test
Received: from client.box.test ([192.0.2.1])
	by mx.box.test with ESMTPS id ID
	for <u@ok.test>
	tls TLS_AES_256_GCM_SHA384 group x25519 (TLSv1.3);
	DATE"
    same "$(stat -c %a "$MAIL")" 600
}

@test "TLS 1.2 ciphers are named as IANA does (RFC 8314 s4.3)" {
    run -0 curl -sS --url smtp://both.box.test:25/client.box.test --ssl-reqd --cacert "$CERTS/root.crt" --tls-max 1.2 \
        --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail"
    new_mail "$BOX/main" 1
    run -0 cat "$MAIL"
    matches '^	tls TLS_ECDHE_(RSA|ECDSA)_WITH_AES_256_GCM_SHA384( group [a-zA-Z0-9]+)? \(TLSv1\.2\);$'
}

@test "each recipient gets a copy, and none learns of the others" {
    run -0 swaks --server 192.0.2.40 --ehlo client.box.test --from a@sender.test \
        --to u@ok.test,v@ok.test,other@far.test,w@OK.test -tls
    has "550 5.1.2"
    same "$(new_mail "$BOX/main")" 3
    local to
    for to in u@ok.test v@ok.test w@OK.test; do
        run -0 grep -lx "Delivered-To: $to" "$BOX"/main/new/*
    done
    run -1 grep -E '^	for ' "$BOX"/main/new/*
    # the ids are one, the message is one
    same "$(grep -ho 'with ESMTPS id [0-9a-z]*' "$BOX"/main/new/* | sort -u | wc -l)" 1
}

@test "smtplib: many messages in a session, 8BITMIME and SMTPUTF8 (RFC 6531)" {
    run -0 python3 - "$CERTS/root.crt" <<'PYTHON'
import smtplib, ssl, sys
s = smtplib.SMTP("both.box.test", 25, "client.box.test", 20)
s.ehlo()
assert s.has_extn("starttls") and not s.has_extn("requiretls"), s.esmtp_features
assert s.esmtp_features["size"] == "25000000" and s.esmtp_features["limits"] == "RCPTMAX=100"
s.starttls(context=ssl.create_default_context(cafile=sys.argv[1]))
s.ehlo()
assert not s.has_extn("starttls") and s.has_extn("requiretls"), s.esmtp_features
text = "From: a@sender.test\r\nSubject: ü\r\n\r\nüber\r\n".encode()
s.sendmail("a@sender.test", ["u@ok.test"], text, ["BODY=8BITMIME", "REQUIRETLS"])
s.sendmail("ä@sender.test", ["ö@bücher.test"], text, ["BODY=8BITMIME", "SMTPUTF8"])
s.sendmail("", ["postmaster"], text)
try:
    s.sendmail("a@sender.test", ["ö@ok.test"], text)
except smtplib.SMTPException as e:
    print(e)
s.quit()
PYTHON
    same "$(new_mail "$BOX/main")" 3
    run -0 cat "$BOX"/main/new/*
    matches '^	by mx.box.test with UTF8SMTPS id '
    has "Return-Path: <ä@sender.test>"
    has "Delivered-To: ö@bücher.test"
    has "Return-Path: <>"
    has "Delivered-To: postmaster"
    has "über"
}

@test "smtp-source from Postfix: many sessions, many messages, none missing" {
    run -0 postfix_run smtp-source -s 10 -m 200 -l 3000 -f a@sender.test -t u@ok.test inet:192.0.2.40:25
    same "$(new_mail "$BOX/main")" 200
    run -0 postfix_run smtp-source -d -s 5 -m 100 -N -r 3 -f a@sender.test -t u@ok.test inet:192.0.2.40:25
    same "$(new_mail "$BOX/main")" 500
}

@test "without --accept only the bare postmaster is taken, for nobody's mail to be relayed" {
    listen_start closed --self-signed --deliver "maildir:$D/closed" 127.0.0.1:0
    dial "$(listen_at closed)"
    hear 220
    say "EHLO client.box.test"
    hear 250
    say "MAIL FROM:<a@sender.test>"
    hear 250
    local to
    for to in u@ok.test postmaster@ok.test postmaster@client.box.test u@client.box.test u@localhost; do
        say "RCPT TO:<$to>"
        hear "550 5.1.2"
    done
    say "RCPT TO:<postmaster>"
    hear 250
}

@test "discard takes a message and leaves nothing" {
    listen_start discard --self-signed --accept ok.test --deliver discard --log json 127.0.0.1:0
    run -0 clients "$(listen_at discard)" load 3 "$D/acked" --tls --messages 5
    same "$(wc -l < "$D/acked")" 15
    listen_said discard '"outcome": ?"discarded"'
}

@test "a mail loop ends: more than 100 Received fields get 554 5.4.6 (RFC 5321 s6.3)" {
    local n
    for n in 100 101; do
        { for ((i = 0; i < n; i++)); do printf 'Received: from x by y; date\r\n'; done && cat "$D/mail"; } > "$D/loop$n"
    done
    run -0 curl -sS --url smtp://192.0.2.40/client.box.test --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/loop100"
    run ! curl -vsS --url smtp://192.0.2.40/client.box.test --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/loop101"
    has "554 5.4.6"
    new_mail "$BOX/main" 1
    listen_said main '5\.4\.6|mail loop'
}

# --- durability ----------------------------------------------------------------------------------

# order PATTERN...: in the trace each first match comes after the last one of the pattern before
order() {
    local pattern line at=0
    for pattern in "$@"; do
        line=$(grep -anE -- "$pattern" "$D/trace" | head -n 1 | cut -d: -f1)
        [ -n "$line" ] || assert_fail "never: $pattern" "$(tr -d '\0' < "$D/trace")"
        [ "$line" -gt "$at" ] || assert_fail "too early: $pattern" "$(tr -d '\0' < "$D/trace")"
        at=$(grep -anE -- "$pattern" "$D/trace" | tail -n 1 | cut -d: -f1)
    done
}

@test "250 is said after the file is synced, named, and its directory synced (reference 3.2)" {
    local helpers
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # ptrace is taken
    for helpers in 0 2; do
        peer_start traced '^listening on ' strace -f -y -s 60 -o "$D/trace" \
            -e trace=sendfile,fsync,fdatasync,link,linkat,rename,renameat,renameat2,write,sendto \
            "$MXTLS" listen --tls off --accept ok.test --deliver "maildir:$D/box$helpers" --commit-helpers $helpers 127.0.0.1:0
        : > "$D/trace"
        run -0 swaks --server "$(listen_at traced)" --ehlo client.box.test --from a@sender.test --to u@ok.test,v@ok.test
        new_mail "$D/box$helpers" 2
        order '(write|sendfile)\(.*box./tmp/' 'fsync\(.*box./tmp/' 'renameat2\(.*/tmp>.*/new>.*= 0' 'fsync\(.*/new>' \
            'write\(.*socket.*"250 2\.0\.0 Ok: '
        same "$(grep -ac 'fsync(.*box./tmp/' "$D/trace")" 2
        kill -TERM "$(pgrep -P "$(peer_pid traced)")" # strace itself would only let go
        peer_end traced
    done
}

@test "a full disk means 452, nothing left behind, and recovery without a restart" {
    mkdir "$D/small"
    mount -t tmpfs -o size=256k,nr_inodes=8 small "$D/small"
    listen_start full --tls off --accept ok.test --deliver "maildir:$D/small/box" 127.0.0.1:0
    yes "$(printf '%070d\r' 0)" | head -c 360000 > "$D/big" # whole lines of 72
    local url
    url=smtp://$(listen_at full)/client.box.test
    run ! curl -vsS --url "$url" --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/big"
    has "452 4.3.1"
    listen_said full 'No space left'
    same "$(find "$D/small/box" -type f)" ""
    # several copies: all or none
    head -c 108000 "$D/big" > "$D/half"
    run ! curl -vsS --url "$url" --mail-from a@sender.test --mail-rcpt u@ok.test --mail-rcpt v@ok.test --mail-rcpt w@ok.test -T "$D/half"
    has "452 4.3.1"
    same "$(find "$D/small/box" -type f)" ""
    run -0 curl -vsS --url "$url" --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/half"
    has "250 2.0.0 Ok"
    new_mail "$D/small/box" 1
    # five directories and one file: there is no inode for the third copy
    run ! curl -vsS --url "$url" --mail-from a@sender.test --mail-rcpt u@ok.test --mail-rcpt v@ok.test --mail-rcpt w@ok.test -T "$D/mail"
    has "452 4.3.1"
    new_mail "$D/small/box" 1
    same "$(find "$D/small/box/tmp" -type f)" ""
    umount -l "$D/small"
}

# bats test_tags=fibers
@test "kill -9 while 20 clients send: what got 250 is there, complete, and nothing is in part" {
    local tls
    for tls in "" --tls; do
        listen_start killed --self-signed --accept ok.test --deliver "maildir:$D/killed$tls" 192.0.2.45:0
        # shellcheck disable=SC2086 # words
        peer_start load '^ready' "$ROOT/tests/peers/listen_clients.py" "$(listen_at killed)" load 20 "$D/acked$tls" $tls
        wait_for_line "$D/acked$tls" . 20 "" 200
        peer_stop killed KILL
        peer_end load
        peer_wait_line load '^done'
        # the helpers finish what they have, and end
        run -0 clients verify "$D/killed$tls" "$D/acked$tls"
        has " 0 lost"
    done
}

# --- running and stopping ------------------------------------------------------------------------

@test "port 0 prints the port it got, several addresses and IPv6 are served" {
    listen_start several --self-signed --hostname mx.box.test --accept ok.test --deliver "maildir:$D/several" \
        127.0.0.1:0 '[2001:db8::46]:0' '[::1]:0' 192.0.2.46:25
    same "$(listen_at several 4)" 192.0.2.46:25
    matches_port "$(listen_at several 1)" 127.0.0.1
    matches_port "$(listen_at several 2)" '[2001:db8::46]'
    run -0 clients "$(listen_at several 2)" load 1 "$D/acked" --messages 1 --tls
    new_mail "$D/several" 1
    file_has "$MAIL" "([IPv6:2001:db8::1])"
    run -0 clients "$(listen_at several 1)" load 1 "$D/acked" --messages 1
    run -0 clients 192.0.2.46:25 load 1 "$D/acked" --messages 1
    same "$(new_mail "$D/several")" 3
}

matches_port() {
    [[ $1 == "$2":[1-9]* ]] || assert_fail "wanted $2:PORT" "$1"
}

@test "a port in use, or an address that is not ours, is exit status 69, and nothing else is opened" {
    run -69 timeout 10 "$MXTLS" listen --self-signed --deliver discard 192.0.2.47:25 $MAIN
    has "cannot listen on $MAIN: Address already in use"
    has_not "listening on"
    run -69 timeout 10 "$MXTLS" listen --self-signed --deliver discard 203.0.113.1:25
    has "cannot listen on 203.0.113.1:25: "
}

@test "a port that is not permitted is exit status 77, a maildir that cannot be made 73" {
    install -m 755 "$MXTLS" "$BOX/mxtls"
    run -77 timeout 10 setpriv --reuid=64020 --clear-groups --inh-caps=-all --bounding-set=-all \
        "$BOX/mxtls" listen --self-signed --deliver discard 192.0.2.47:25
    has "cannot listen on 192.0.2.47:25: Permission denied"
    run -73 timeout 10 "$MXTLS" listen --self-signed --deliver "maildir:$D/no/such" 192.0.2.47:25
    has "$D/no/such: No such file or directory"
    has_not "listening on"
}

@test "SIGTERM: idle sessions get 421 at once, one in DATA may finish, exit status 0 (reference S31)" {
    local idle_fd data_fd at
    listen_start term --self-signed --accept ok.test --deliver "maildir:$D/term" --drain 30s 127.0.0.1:0
    dial "$(listen_at term)"
    idle_fd=$DIALLED
    hear 220
    say "EHLO client.box.test"
    hear 250
    dial "$(listen_at term)"
    data_fd=$DIALLED
    begin_data
    say "Subject: in time"
    kill -TERM "$(peer_pid term)"
    DIALLED=$idle_fd
    hear "421 4.3.2"
    hear closed
    # no new session is taken
    at=$(listen_at term)
    run -1 bash -c "exec 3<> /dev/tcp/${at/://}"
    has "Connection refused"
    DIALLED=$data_fd
    say ""
    say "the rest"
    say .
    hear "250 2.0.0 Ok"
    hear "421 4.3.2"
    hear closed
    peer_end term
    same "$PEER_STATUS" 0
    new_mail "$D/term" 1
    file_has "$MAIL" "the rest"
}

nobody_listens() {
    ! bash -c "exec 3<> /dev/tcp/${1/://}" 2> /dev/null
}

begin_data() {
    hear 220
    say "EHLO client.box.test"
    hear 250
    say "MAIL FROM:<a@sender.test>"
    hear 250
    say "RCPT TO:<u@ok.test>"
    hear 250
    say DATA
    hear 354
}

@test "a second SIGTERM, and the end of --drain, end a session in DATA, whose message is not stored" {
    local drain
    for drain in 30s 300ms; do
        listen_start term --self-signed --accept ok.test --deliver "maildir:$D/$drain" --drain $drain 127.0.0.1:0
        dial "$(listen_at term)"
        begin_data
        say "Subject: too late"
        kill -TERM "$(peer_pid term)"
        if [ $drain = 30s ]; then
            [ -n "${MXTLS_NO_FIBERS:-}" ] || listen_said term 'stopping: 1 sessions'
            # two signals that wait are one
            wait_until nobody_listens "$(listen_at term)"
            kill -TERM "$(peer_pid term)"
        fi
        # without fibers the child with the session is killed: no word
        [ -n "${MXTLS_NO_FIBERS:-}" ] || hear "421 4.3.2"
        hear closed
        peer_end term
        same "$PEER_STATUS" 0
        new_mail "$D/$drain" 0
        [ -n "${MXTLS_NO_FIBERS:-}" ] || same "$(find "$D/$drain/tmp" -type f)" ""
    done
}

@test "SIGTERM to the whole group, as a service manager does, loses no commit" {
    listen_start group --self-signed --accept ok.test --deliver "maildir:$D/group" 127.0.0.1:0
    dial "$(listen_at group)"
    begin_data
    say "Subject: x"
    local pid
    # the helpers first
    for pid in $(pgrep -P "$(peer_pid group)") $(peer_pid group); do kill -TERM "$pid"; done
    say .
    hear "250 2.0.0 Ok"
    hear 421
    peer_end group
    same "$PEER_STATUS" 0
    new_mail "$D/group" 1
}

@test "SIGINT stops it, too" {
    listen_start int --self-signed --accept ok.test --deliver discard 127.0.0.1:0
    # a background job of a shell has SIGINT ignored: ours is caught all the same
    peer_stop int INT
    same "$PEER_STATUS" 0
}

@test "--stdio serves pipes without STARTTLS, and its messages are stored" {
    run -0 bash -c "{ printf 'EHLO client.box.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<u@ok.test>\r\nDATA\r\n'
        cat '$D/mail'; printf '.\r\nQUIT\r\n'; } |
        '$MXTLS' listen --self-signed --hostname mx.box.test --accept ok.test --deliver 'maildir:$D/stdio' --stdio 2> '$D/err'"
    has "220 mx.box.test ESMTP"
    has_not STARTTLS
    has "250 2.0.0 Ok: "
    has "221 2.0.0 Bye"
    new_mail "$D/stdio" 1
    # what came over a pipe has no address
    run -0 cat "$MAIL"
    matches '^Received: from client.box.test$'
    has "with ESMTP id"
}

@test "--stdio over a file and to the end of input" {
    { printf 'EHLO a\r\n' && yes "$(printf 'NOOP\r')" | head -n 5000; } > "$D/in"
    run -0 bash -c "'$MXTLS' listen --tls off --accept ok.test --deliver discard --stdio < '$D/in' | grep -c '^250 2.0.0 Ok'"
    matches '^5000$'
}

@test "--stdio on a socket, as inetd does it, has STARTTLS" {
    run -0 clients stdio "$MXTLS" listen --self-signed --accept ok.test --deliver "maildir:$D/inetd" --stdio
    has 250-STARTTLS
    has taken
    run -0 clients stdio --tls "$MXTLS" listen --self-signed --tls=required --accept ok.test --deliver "maildir:$D/inetd" --stdio
    has_not STARTTLS
    has taken
    same "$(new_mail "$D/inetd")" 2
    same "$(cat "$D/inetd/new"/* | grep -c 'with ESMTPS id')" 1
}

@test "a service from inetd knows its client's address" {
    peer_start inetd 'listening on' socat -d -d TCP-LISTEN:2600,bind=192.0.2.48,fork,reuseaddr \
        "EXEC:'$MXTLS listen --self-signed --hostname mx.box.test --accept ok.test --deliver maildir\:$D/inetd --stdio',nofork"
    run -0 clients 192.0.2.48:2600 load 1 "$D/acked" --messages 1 --tls
    new_mail "$D/inetd" 1
    file_has "$MAIL" "Received: from client.box.test ([192.0.2.1])"
}

# --- the log -------------------------------------------------------------------------------------

@test "--log json: every line is one object with the facts of its session, and no message text" {
    listen_start json --self-signed --accept ok.test --deliver "maildir:$D/json" --log json -v --max-recipients 400 127.0.0.1:0
    run -0 clients "$(listen_at json)" load 2 "$D/acked" --messages 2 --tls
    # as long as a record gets: 400 recipients with bytes that are escaped
    python3 - "$(listen_at json)" <<'PYTHON'
import smtplib, sys
s = smtplib.SMTP(*sys.argv[1].split(":"), "client.box.test", 20)
s.ehlo()
s.mail('<"a\\"\\\\b"@sender.test>')
for i in range(400):
    assert s.rcpt('<"%03d%s"@ok.test>' % (i, '\\"' * 28))[0] == 250
assert s.data("Subject: secret words\r\n\r\n")[0] == 250
s.quit()
PYTHON
    peer_stop json
    same "$PEER_STATUS" 0
    run -0 python3 - "$(peer_log json)" "${MXTLS_NO_FIBERS:+no sum}" <<'PYTHON'
import json, sys
records = []
for line in open(sys.argv[1]):
    if not line.startswith("listening on "): # stdout
        records.append(json.loads(line))
last = records[-1]
# a single process without fibers has no sum
assert sys.argv[2] == "no sum" or [last[k] for k in ("event", "level", "outcome")] == ["note", "info", "5 messages, 4 of them over TLS"], last
messages = [r for r in records if r["event"] == "message"]
sessions = [r for r in records if r["event"] == "session"]
assert len(messages) == 5 and len(sessions) == 3, (len(messages), len(sessions))
for r in messages:
    assert r["peer"] == "127.0.0.1" and r["helo"] == "client.box.test" and r["outcome"] == "stored", r
    assert r["time"].endswith("Z") and len(r["id"]) == 16 and r["bytes"] > 0, r
tls = [r for r in messages if r["tls"]]
assert len(tls) == 4 and all(r["tls_version"] == "TLSv1.3" and r["tls_cipher"].startswith("TLS_") for r in tls), tls
big = [r for r in messages if not r["tls"]]
assert len(big) == 1 and len(big[0]["to"]) == big[0]["recipients"] == 400 and big[0]["from"] == '"a\\"\\\\b"@sender.test', big
assert sorted(r["messages"] for r in sessions) == [1, 2, 2] and all(r["ended"] == "quit" for r in sessions), sessions
assert all(r["accepted"] and r["from_domain"] == "sender.test" and r["network"] == "127.0.0.0/24" for r in messages), messages
assert not any("tls_version" in r or "tls_group" in r for r in big), big
PYTHON
    file_has_not "$(peer_log json)" "secret words"
    file_has_not "$(peer_log json)" "number 1000000"
}

# bats test_tags=fibers
@test "refusals, failed handshakes and connections turned away have their lines, and a flood of them is counted" {
    listen_start refusals --self-signed --accept ok.test --deliver discard --log json --log-to "$D/log" --max-size 1k \
        --max-connections-per-address 3 127.0.0.1:0
    local at
    at=$(listen_at refusals)
    run -0 python3 - "$at" <<'PYTHON'
import smtplib, socket, sys
host, port = sys.argv[1].split(":")
def refused(s, want, f, *args):
    code = f(*args)[0]
    assert code == want, (code, want)
s = smtplib.SMTP(host, port, "client.box.test", 20)
s.ehlo()
refused(s, 552, s.mail, "big@sender.test", ["SIZE=2000"])
s.mail("ü@BÜCHER.test".encode().decode("latin-1") if False else "a@Sender.TEST")
refused(s, 550, s.rcpt, "who@far.test".replace("", ""))
s.rcpt("u@ok.test")
refused(s, 552, s.data, "x" * 1500)
s.close()
for i in range(130):
    s = socket.create_connection((host, int(port)), 20)
    f = s.makefile("rwb")
    f.readline()
    f.write(b"EHLO client.box.test\r\n"); f.flush()
    while f.readline()[3:4] != b" ":
        pass
    f.write(b"STARTTLS\r\n"); f.flush()
    assert f.readline()[:3] == b"220"
    f.write(b"no TLS at all\r\n"); f.flush()
    try:
        assert f.readline() == b""
        f.close()
    except ConnectionResetError:
        pass
    s.close()
held = [socket.create_connection((host, int(port)), 20) for i in range(4)]
assert any(s.recv(100)[:3] == b"421" for s in held)
PYTHON
    peer_stop refusals
    same "$PEER_STATUS" 0
    run -0 python3 - "$D/log" <<'PYTHON'
import json, sys
records = [json.loads(line) for line in open(sys.argv[1])]
def of(event, **members):
    return [r for r in records if r["event"] == event and all(r.get(k) == v for k, v in members.items())]
assert len(of("refused", code=552, **{"from": "big@sender.test"})) == 1, records
assert len(of("refused", code=550, to=["who@far.test"], from_domain="sender.test", tls=False)) == 1, records
assert len(of("message", accepted=False, bytes=1502, recipients=1)) == 1, of("message")
assert len(of("session", refusals=3)) == 1, of("session")
# at most 100 in a window; one may have begun in between
failed = of("tls-failed")
left_out = sum(r.get("suppressed", 0) for r in failed + of("note", outcome="tls-failed 127.0.0.0/24"))
assert len(failed) >= 100 and len(failed) + left_out == 130, (len(failed), left_out)
assert "in clear where a TLS handshake must begin" in failed[0]["outcome"], failed[0]
away = of("turned-away")
assert away and away[0]["peer"] == "127.0.0.1" and away[0]["outcome"] == "too many connections of this client", away
assert of("note", level="info"), records
PYTHON
    # nothing of it on stderr
    same "$(grep -vc '^listening on ' "$(peer_log refusals)")" 0
}

@test "--log-to FILE: SIGHUP opens it again; text has time and tag; a file that cannot be opened stops the start" {
    listen_start rotated --self-signed --accept ok.test --deliver discard --log-to "$D/log" 127.0.0.1:0
    run -0 clients "$(listen_at rotated)" load 1 "$D/acked" --messages 1
    mv "$D/log" "$D/log.1"
    kill -HUP "$(peer_pid rotated)"
    wait_for_line "$D/log" 'SIGHUP: the log is open again' 20
    run -0 clients "$(listen_at rotated)" load 1 "$D/acked" --messages 1
    peer_stop rotated
    same "$PEER_STATUS" 0
    for log in "$D/log.1" "$D/log"; do
        run -0 grep -c '^20[0-9TZ:-]* mxtls\[[0-9]*\]: 127.0.0.1: message ' "$log"
        same "$output" 1
    done
    run -73 "$MXTLS" listen --self-signed --accept ok.test --deliver discard --log-to "$D/none/log" 127.0.0.1:0
    has "cannot open the log $D/none/log: No such file"
}

@test "-vv shows the dialogue on both sides of STARTTLS, and no message text" {
    listen_start dialogue --self-signed --accept ok.test --deliver discard -vv 127.0.0.1:0
    run -0 clients "$(listen_at dialogue)" load 1 "$D/acked" --messages 1 --tls
    listen_said dialogue 'C: QUIT'
    run -0 cat "$(peer_log dialogue)"
    matches '127.0.0.1: C: STARTTLS$'
    matches '127.0.0.1: S: 220 2.0.0 Ready'
    matches '127.0.0.1: S: 250-STARTTLS$'
    matches '127.0.0.1: C: MAIL FROM:<a@sender.test>$'
    matches '127.0.0.1: S: 354 '
    matches '127.0.0.1: S: 250 2.0.0 Ok: '
    has_not "number 1000000"
    has_not "Subject"
}
