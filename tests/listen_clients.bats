# Real clients send to one mxtls listen, in clear and over STARTTLS: mail servers that hand on what they took, programs
# that submit, and tools that scan. What arrives is what was sent, byte for byte.
load lib/rig
load lib/listen
load lib/exim
load lib/opensmtpd

# One receiver at two addresses: Postfix has its TLS policy by destination.
MX=192.0.2.60 OTHER=192.0.2.61

setup_file() {
    certs_make
    echo "$MX both.box.test" >> /etc/hosts
    # 16 forms of relaying are tried in one session
    listen_start mx --hostname mx.box.test --cert "$CERTS/both-rsa.chain" --key "$CERTS/both-rsa.key" \
        --cert "$CERTS/both-ecdsa.chain" --key "$CERTS/both-ecdsa.key" --accept ok.test --max-errors 50 \
        --deliver "maildir:$BOX/mail.ok" --log json $MX:25 $OTHER:25
}

setup() {
    D=$BATS_TEST_TMPDIR
}

teardown() {
    same "$(find "$BOX/mail.ok/tmp" -type f)" ""
}

teardown_file() {
    listen_stop_all
}

# eml SUBJECT: a message in $EML, CRLF; what clients and servers like to change on their way is in it
eml() {
    EML=$D/$1.eml
    printf '%s\r\n' 'From: a@sender.test' 'To: u@ok.test' "Subject: $1" 'Date: Tue, 24 Nov 2026 12:00:00 +0000' \
        "Message-ID: <$1@sender.test>" 'MIME-Version: 1.0' 'Content-Type: text/plain; charset=utf-8' \
        'Content-Transfer-Encoding: 8bit' '' '.' '..two dots' '.text' 'From here, and >From there' 'trailing blanks  ' \
        'Grüße' "$(printf '=%.0s' {1..900})" '' 'last line' > "$EML"
}

# arrived SUBJECT tls|clear [text]: one message of that subject comes within 20 s; it is $EML and Received says how it came. Text: the
# client makes the header itself, and says HELO, which has no name of its own over TLS (RFC 3848)
arrived() {
    local with=ESMTP facts=0 end=$((SECONDS + 20))
    if [ "$2" = tls ]; then with=ESMTPS facts=1; fi
    while ! MAIL=$(grep -lx "Subject: $1" "$BOX"/mail.ok/new/*) && ((SECONDS < end)); do sleep 0.05; done
    same "$(wc -w <<< "$MAIL")" 1
    # a server's own trace is in front
    local from='/^From: a@sender.test/'
    if [ "${3:-}" = text ]; then from='/^$/' with=SMTP; fi
    tr -d '\r' < "$EML" | sed -n "$from,\$p" > "$D/wanted"
    sed -n "$from,\$p" "$MAIL" | diff -a - "$D/wanted" || assert_fail "not what was sent" "$(cat "$MAIL")"
    grep -qE "^	by mx.box.test with $with id " "$MAIL" || assert_fail "not with $with" "$(cat "$MAIL")"
    same "$(grep -cE '^	tls TLS_[A-Z0-9_]+ group [a-zA-Z0-9]+ \(TLSv1\.[23]\);' "$MAIL")" $facts
}

# --- mail servers --------------------------------------------------------------------------------

# hand SERVER SUBJECT RECIPIENT: a message to a server that hands it on
hand() {
    eml "$2"
    run -0 curl -sS --max-time 20 --url "smtp://$1/client.box.test" --mail-from a@sender.test --mail-rcpt "$3" -T "$EML"
}

@test "Postfix hands on, in clear and over a TLS that it verifies" {
    cat > "$D/transport" <<MAP
clear@ok.test smtp:[$OTHER]:25
tls@ok.test smtp:[$MX]:25
MAP
    cat > "$D/tls" <<MAP
[$OTHER]:25 none
[$MX]:25 verify match=both.box.test
MAP
    POSTFIX_EXTRA="transport_maps = texthash:$D/transport
smtp_tls_policy_maps = texthash:$D/tls
smtp_tls_CAfile = $CERTS/root.crt
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
mynetworks = 192.0.2.0/24" postfix_start notls
    local how
    for how in clear tls; do
        hand 192.0.2.14 "postfix-$how" $how@ok.test
        arrived "postfix-$how" $how
    done
}

@test "Exim (GnuTLS) hands on, in clear and over a TLS that it verifies" {
    local how
    exim_sender both.box.test
    for how in clear tls; do
        eml "exim-$how"
        run -0 exim_send a@sender.test "$how@ok.test" "$EML"
        arrived "exim-$how" $how
    done
}

@test "OpenSMTPD hands on, in clear and over a TLS that it verifies" {
    local how
    opensmtpd_sender $OTHER both.box.test
    for how in clear tls; do
        hand 192.0.2.45 "opensmtpd-$how" $how@ok.test
        arrived "opensmtpd-$how" $how
    done
}

# --- programs that submit ------------------------------------------------------------------------

@test "msmtp, in clear and over a TLS that it verifies" {
    deb_command msmtp msmtp
    local how
    for how in clear tls; do
        eml "msmtp-$how"
        run -0 "${DEB_COMMAND[@]}" --file=/dev/null --host=both.box.test --port=25 --auth=off --domain=client.box.test --from=a@sender.test \
            --timeout=20 "--tls=$([ $how = tls ] && echo on || echo off)" "--tls-trust-file=$CERTS/root.crt" u@ok.test < "$EML"
        arrived "msmtp-$how" $how
    done
}

@test "s-nail, which writes the header itself, in clear and over a TLS that it verifies" {
    deb_command s-nail s-nail
    local how
    for how in clear tls; do
        eml "s-nail-$how"
        local -a tls=()
        if [ $how = tls ]; then tls=(-Ssmtp-use-starttls -Stls-verify=strict "-Stls-ca-file=$CERTS/root.crt" -Stls-ca-no-defaults); fi
        sed '1,/^\r$/d' "$EML" | tr -d '\r' > "$D/text"
        run -0 timeout 30 env "HOME=$D" "${DEB_COMMAND[@]}" -:/ -Sv15-compat -Smta=smtp://both.box.test:25 -Ssmtp-auth=none -Shostname=client.box.test \
            -Sttycharset=utf-8 -Ssendcharsets=utf-8 -Smime-encoding=8bit "${tls[@]}" -r a@sender.test -s "s-nail-$how" u@ok.test < "$D/text"
        arrived "s-nail-$how" $how text
    done
}

@test "swaks, curl and smtplib, in clear and over TLS 1.2 and 1.3" {
    local how
    for how in clear tls; do
        eml "swaks-$how"
        local -a tls=()
        if [ $how = tls ]; then tls=(-tls --tls-protocol tlsv1_2); fi
        # it ends the last line itself
        head -c -2 "$EML" > "$D/data"
        run -0 swaks --server $MX --ehlo client.box.test --from a@sender.test --to u@ok.test --data "@$D/data" "${tls[@]}"
        arrived "swaks-$how" $how
    done
    hand both.box.test curl-clear u@ok.test
    arrived curl-clear clear
    eml curl-tls
    run -0 curl -sS --url smtp://both.box.test/client.box.test --ssl-reqd --cacert "$CERTS/root.crt" --mail-from a@sender.test \
        --mail-rcpt u@ok.test -T "$EML"
    arrived curl-tls tls
    for how in clear tls; do
        eml "smtplib-$how"
        run -0 python3 - $how "$EML" "$CERTS/root.crt" <<'PYTHON'
import smtplib, ssl, sys
with smtplib.SMTP("both.box.test", 25, "client.box.test", 20) as s:
    if sys.argv[1] == "tls":
        s.starttls(context=ssl.create_default_context(cafile=sys.argv[3]))
    s.sendmail("a@sender.test", ["u@ok.test"], open(sys.argv[2], "rb").read(), ["BODY=8BITMIME"])
PYTHON
        arrived "smtplib-$how" $how
    done
}

@test "openssl s_client and gnutls-cli carry a session" {
    eml s_client
    run -0 "$ROOT/tests/peers/pipe_client.py" "$EML" a@sender.test u@ok.test openssl s_client -quiet -connect $MX:25 -starttls smtp \
        -CAfile "$CERTS/root.crt" -verify_hostname both.box.test -verify_return_error
    arrived s_client tls
    eml gnutls-cli
    run -0 "$ROOT/tests/peers/pipe_client.py" "$EML" a@sender.test u@ok.test stdbuf -oL gnutls-cli --starttls-proto smtp \
        --x509cafile "$CERTS/root.crt" --port 25 both.box.test
    arrived gnutls-cli tls
}

# --- tools that scan -----------------------------------------------------------------------------

@test "sslscan finds TLS 1.2 and 1.3 only, no renegotiation, no weak cipher, and does no harm" {
    run -0 timeout 100 sslscan --no-colour --starttls-smtp $MX:25
    has "TLSv1.2   enabled"
    has "TLSv1.3   enabled"
    local version
    for version in SSLv2 SSLv3 TLSv1.0 TLSv1.1; do matches "^$version +disabled"; done
    has "Session renegotiation not supported"
    matches "not vulnerable to heartbleed"
    run ! grep -E '(Accepted|Preferred).*(RC4|DES|NULL|EXP|MD5|anon)' <<< "$output"
    hand both.box.test behind-sslscan u@ok.test
    arrived behind-sslscan clear
}

# relay_script SERVER: what nmap's smtp-open-relay says when it has tried all of its forms
relay_script() {
    run -0 timeout 100 env "NMAPDIR=$DEBS/nmap/usr/share/nmap" "LD_LIBRARY_PATH=$(deb_libs nmap):$(echo "$DEBS"/nmap/usr/lib/*/blas)" \
        "$DEBS/nmap/usr/bin/nmap" --unprivileged -n -Pn -p 25 --script smtp-open-relay "$1"
}

@test "nmap's smtp-open-relay finds no relay: closed, and open to others; and it does find the one open to it" {
    mkdir -m 700 "$D/queue"
    listen_start others --self-signed --relay-from 198.51.100.0/24 --max-errors 50 --deliver queue --queue "$D/queue" 192.0.2.62:25
    listen_start us --self-signed --relay-from 192.0.2.0/24 --max-errors 50 --deliver queue --queue "$D/queue" 192.0.2.63:25
    local at
    for at in $MX 192.0.2.62; do
        relay_script "$at"
        has "Server doesn't seem to be an open relay, all tests failed"
    done
    relay_script 192.0.2.63
    # routes and literals are refused to it, too
    has "Server is an open relay (4/16 tests)"
    listen_stop_all
}
