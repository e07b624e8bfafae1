# mxtls send: from the domain to the hosts, what the policy allows there, what happens to each recipient,
# and the exit status. The matrix of level and STARTTLS is in send_matrix.bats.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send

setup_file() {
    certs_make
    message_make
    local i
    {
        postfix_zone
        for i in {30..69}; do echo "h$i.box.test. A 192.0.2.$i"; done
        for i in rsa ecdsa notls expired wrongname; do echo "$i.test. MX 10 $i.box.test."; done
        # one domain for each host that only one test uses
        for i in {30..69}; do echo "d$i.test. MX 10 h$i.box.test."; done
        cat << 'ZONE'
example.test.   MX 10 rsa.box.test.
order.test.     MX 30 h42.box.test.
order.test.     MX 10 h40.box.test.
order.test.     MX 20 h41.box.test.
equal.test.     MX 10 h43.box.test.
equal.test.     MX 10 h44.box.test.
pair.test.      MX 10 h30.box.test.
pair.test.      MX 20 h31.box.test.
pair2.test.     MX 10 h66.box.test.
pair2.test.     MX 20 h67.box.test.
null.test.      MX 0 .
none.test.      TXT "nothing here"
nowhere.test.   MX 10 missing.box.test.
two.test.       MX 10 two.box.test.
two.box.test.   A 192.0.2.46
two.box.test.   A 192.0.2.47
six.test.       MX 10 six.box.test.
six.box.test.   AAAA 2001:db8::48
alias.test.     MX 10 alias.box.test.
alias.box.test. CNAME h45.box.test.
other.test.     CNAME d45.test.
address.test.   MX 10 192.0.2.45.
address2.test.  MX 10 192.0.2.45.
address2.test.  MX 20 h45.box.test.
address3.test.  MX 10 h69.box.test.
address3.test.  MX 20 192.0.2.45.
loop.test.      MX 10 loop.box.test.
loop.box.test.  A 127.0.0.1
loop6.test.     MX 10 loop6.box.test.
loop6.box.test. AAAA ::1
any.test.       MX 10 any.box.test.
any.box.test.   A 0.0.0.0
own.test.       MX 10 own.box.test.
own.box.test.   A 192.0.2.1
loop2.test.     MX 10 h69.box.test.
loop2.test.     MX 20 own.box.test.
loop3.test.     MX 10 own.box.test.
loop3.test.     MX 20 h45.box.test.
loop4.test.     MX 10 own.box.test.
loop4.test.     MX 10 h45.box.test.
loop5.test.     MX 10 h45.box.test.
loop5.test.     MX 20 own.box.test.
strict.test.    MX 10 h45.box.test.
xn--bcher-kva.test. MX 10 h45.box.test.
ZONE
    } | dns_start
    postfix_start domains=rsa.test,ecdsa.test,notls.test,expired.test,wrongname.test rsa ecdsa notls expired wrongname
    mx good 45 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve ehlo=STARTTLS;SIZE 10000000;8BITMIME'
}

FROM=(-f alice@client.box.test)

# --- from the domain to the host (RFC 5321 s5) -------------------------------------------------------

@test "MX hosts in the order of their preference, the next one when one is down or refuses us" {
    mx busy 41 'send 421 4.3.2 busy' 'close'
    mx third 42 'send 220 mx' 'serve'
    send 0 "${FROM[@]}" bob@order.test
    same "$(r '.status, .exchange, .ip, .port' | xargs)" "delivered h42.box.test 192.0.2.42 25"
    same "$(sessions busy) $(sessions third)" "1 1"
    peer_stop third
    send 75 "${FROM[@]}" bob@order.test
    same "$(r '.status, .failure' | xargs)" "deferred connection-refused"
    mx first 40 'send 220 mx' 'serve'
    send 0 "${FROM[@]}" bob@order.test
    same "$(r .exchange)" h40.box.test
    same "$(sessions busy)" 2
}

@test "equal preferences share the load, MXTLS_SEED settles it" {
    local seed seen=''
    mx one 43 'send 220 mx' 'serve'
    mx two 44 'send 220 mx' 'serve'
    for seed in 1 2 3 4 5 6 7 8; do
        MXTLS_SEED=$seed send 0 "${FROM[@]}" bob@equal.test
        seen+="$(r .exchange) "
    done
    [[ $seen == *h43* && $seen == *h44* ]] || assert_fail "both hosts" "$seen"
    MXTLS_SEED=8 send 0 "${FROM[@]}" bob@equal.test
    [[ $seen == *"$(r .exchange) " ]] || assert_fail "the same for the same seed" "$seen"
}

@test "without MX the domain is its own host (s5.1)" {
    send 0 "${FROM[@]}" bob@h45.box.test
    same "$(r .exchange)" h45.box.test
}

@test "domains that take no mail, at once and for good: status 68" {
    local domain failure enhanced
    while read -r domain failure enhanced; do
        send 68 "${FROM[@]}" "bob@$domain"
        same "$domain $(r '.status, .failure, .enhanced' | xargs)" "$domain failed $failure $enhanced"
    done << 'ROWS'
null.test null-mx 5.1.10
absent.example nxdomain 5.1.2
none.test no-mx 5.1.2
address.test mx-literal 5.4.4
ROWS
    send 75 "${FROM[@]}" bob@nowhere.test
    same "$(r '.status, .failure' | xargs)" "deferred no-mx-address"
}

@test "an MX that names an address is passed over; another host that is down may be up later" {
    send 0 "${FROM[@]}" bob@address2.test
    send 75 "${FROM[@]}" bob@address3.test
    same "$(r '.status, .failure' | xargs)" "deferred connection-refused"
}

@test "the next address of the same host" {
    mx second 47 'send 220 mx' 'serve'
    send 0 "${FROM[@]}" bob@two.test
    same "$(r .ip)" 192.0.2.47
}

@test "a host that has only IPv6" {
    mx six 2001:db8::48 'send 220 mx' 'serve ehlo=STARTTLS'
    send 0 "${FROM[@]}" bob@six.test
    same "$(r '.ip, .tls.matches_mx' | xargs)" "2001:db8::48 true"
    send 0 "${FROM[@]}" 'bob@[IPv6:2001:db8::48]'
    same "$(r '.exchange, .recipient' | xargs)" "2001:db8::48 bob@[IPv6:2001:db8::48]"
    # RFC 6066 s3: an address is no server name
    sessions six > /dev/null
    grep -q '^S2 tls .* sni=-$' "$(peer_log six)"
    file_has "$(peer_log six)" 'S2 C: RCPT TO:<bob@[IPv6:2001:db8::48]>'
}

@test "aliases: of an MX host, and of the domain itself; U-labels" {
    send 0 "${FROM[@]}" bob@alias.test
    same "$(r .exchange)" alias.box.test
    send 0 "${FROM[@]}" bob@other.test
    same "$(r .exchange)" h45.box.test
    send 0 "${FROM[@]}" bob@Bücher.TEST
    same "$(r .recipient)" bob@xn--bcher-kva.test
}

@test "an address literal as domain: no lookup (s4.1.3)" {
    send 0 "${FROM[@]}" --resolver 192.0.2.99 'bob@[192.0.2.45]'
    same "$(r '.exchange, .ip' | xargs)" "192.0.2.45 192.0.2.45"
}

@test "a resolver that fails is no answer: status 75, whatever the way" {
    local failure option
    peer_start servfail '^ready' "$ROOT/tests/peers/dns_peer.py" --listen 192.0.2.98:53 --rcode 2
    peer_start refused '^ready' "$ROOT/tests/peers/dns_peer.py" --listen 192.0.2.97:53 --rcode 5
    while read -r option failure; do
        send 75 "${FROM[@]}" --resolver "$option" bob@d45.test
        same "$option $(r '.status, .failure' | xargs)" "$option deferred $failure"
    done << 'ROWS'
192.0.2.98 dns-servfail
192.0.2.97 dns-refused
192.0.2.99 dns-timeout
ROWS
    peer_start silent '^ready' "$ROOT/tests/peers/dns_peer.py" --listen 192.0.2.96:53
    printf '%s\n' 'nameserver 192.0.2.96' 'options timeout:1 attempts:1' > /etc/resolv.conf
    send 75 "${FROM[@]}" bob@d45.test
    echo 'nameserver 127.0.0.1' > /etc/resolv.conf
    same "$(r '.status, .failure' | xargs)" "deferred dns-timeout"
}

@test "an MX host that is this one is a mail loop: no word is said to it (DECISIONS A9)" {
    local domain seed
    mx self 1 'send 220 self' 'serve'
    peer_start local '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 127.0.0.1:25 'send 220 self' 'serve'
    for domain in loop.test loop6.test any.test own.test; do
        send 69 "${FROM[@]}" "bob@$domain"
        same "$domain $(r '.status, .failure, .enhanced' | xargs)" "$domain failed mail-loop 5.4.6"
    done
    # another host that may be up later: no reason to give up
    send 75 "${FROM[@]}" bob@loop2.test
    same "$(r '.status, .failure' | xargs)" "deferred connection-refused"
    # who is not before us in preference would bring it back (RFC 5321 s5.1)
    send 69 "${FROM[@]}" bob@loop3.test
    same "$(r '.status, .failure, .exchange' | xargs)" "failed mail-loop own.box.test"
    for seed in 1 2 3 4; do
        MXTLS_SEED=$seed send 69 "${FROM[@]}" bob@loop4.test
    done
    send 0 "${FROM[@]}" bob@loop5.test
    file_has_not "$(peer_log self)" "C: "
    file_has_not "$(peer_log local)" "S1"
    # whoever writes an address means it
    send 0 "${FROM[@]}" 'bob@[127.0.0.1]'
    send 0 "${FROM[@]}" --via '[127.0.0.1]:25' bob@own.test
}

@test "EHLO names the host in full, or its address, never localhost (RFC 5321 s4.1.4)" {
    mx ehlo 32 'send 220 mx' 'serve'
    send 0 "${FROM[@]}" bob@d32.test
    hostname localhost
    send 0 "${FROM[@]}" bob@d32.test
    hostname client.box.test
    send 0 "${FROM[@]}" --helo mail.example bob@d32.test
    same "$(sessions ehlo)" 3
    same "$(sed -n 's/.* C: EHLO //p' "$(peer_log ehlo)" | xargs)" "client.box.test [192.0.2.1] mail.example"
}

# --- real servers, by a policy of named groups -------------------------------------------------------

policy() {
    cat > "$BATS_TEST_TMPDIR/policy"
    POLICY=(--policy "$BATS_TEST_TMPDIR/policy")
}

@test "real Postfix, each level: what it received, and which rule it was by file, line and group" {
    local rcpt want line tls clear bad='' group=1
    policy << 'POLICY'
group plain    rsa.test
group easy     ecdsa.test expired.test
group old      notls.test

policy plain   none
policy easy    encrypt
policy old     may
default        verify
POLICY
    while read -r rcpt line tls clear; do
        send 0 "${FROM[@]}" "${POLICY[@]}" "bob@$rcpt"
        want="$rcpt delivered $BATS_TEST_TMPDIR/policy:$line $tls $clear"
        group=$(r .rule)
        same "$rcpt $(r .status) ${group%% *} $(r '.tls.version // "-"') $(r '.clear_reason // "-"' | tr ' ' _)" "$want"
        postfix_mail "bob@$rcpt"
        if [ "$tls" = - ]; then
            file_has_not "$MAIL" "using TLS"
        else
            file_has "$MAIL" "using $tls"
        fi
        file_has "$MAIL" "Hello Bob."
    done << 'ROWS'
rsa.test 5 - the_policy_uses_no_TLS_here
ecdsa.test 6 TLSv1.3 -
expired.test 6 TLSv1.3 -
notls.test 7 - STARTTLS_is_not_offered
ROWS
    same "$(r '.rule, .group' | xargs)" "$BATS_TEST_TMPDIR/policy:7 (group old) old"
    mxtls_send 0 --ca-file "$CERTS/root.crt" "${FROM[@]}" "${POLICY[@]}" carol@example.test
    same "$stderr" ""
    matches "^carol@example\.test: delivered \(rsa\.box\.test \[192\.0\.2\.11\]:25, TLSv1\.3 [A-Z0-9_]+ [A-Za-z0-9]+, certificate verified\); rule $BATS_TEST_TMPDIR/policy:8 \(default\): 250 2\.0\.0 Ok: queued as [0-9A-F]+\$"
}

@test "real Postfix at verify and encrypt: what proves nothing, or is missing, is not sent" {
    local rcpt level failure enhanced
    while read -r rcpt level failure enhanced; do
        policy <<< "policy $rcpt $level"
        send 75 "${FROM[@]}" "${POLICY[@]}" "dave@$rcpt"
        same "$rcpt $(r '.status, .failure, .enhanced, .level, .rule' | xargs)" \
            "$rcpt deferred $failure $enhanced $level $BATS_TEST_TMPDIR/policy:1"
        same "$(r .group)" null
        [[ $stderr == "" ]] || assert_fail "stderr" "$stderr"
    done << 'ROWS'
notls.test encrypt starttls-not-offered 4.7.4
notls.test verify starttls-not-offered 4.7.4
expired.test verify certificate-expired 4.7.5
wrongname.test verify certificate-host-mismatch 4.7.5
ROWS
    # one for whom it holds: the queue of Postfix is worked off in order of arrival
    policy <<< 'default verify'
    send 75 "${FROM[@]}" "${POLICY[@]}" --ca-file "$CERTS/stranger.crt" dave@rsa.test
    same "$(r .failure)" certificate-not-trusted
    send 0 "${FROM[@]}" "${POLICY[@]}" eve@rsa.test
    postfix_mail eve@rsa.test
    for rcpt in notls.test expired.test wrongname.test rsa.test; do
        same "$rcpt $(postfix_received "dave@$rcpt")" "$rcpt 0"
    done
}

@test "match=nexthop: the certificate must name the recipient's domain; ca= alone counts" {
    cert_issue nexthop san=DNS:d33.test dir="$CERTS"
    peer_start nexthop '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.33:25 \
        --cert "$CERTS/nexthop.pem" 'send 220 mx' 'serve ehlo=STARTTLS'
    policy <<< "policy d33.test verify match=nexthop ca=$CERTS/root.crt"
    send 0 "${FROM[@]}" "${POLICY[@]}" --ca-file "$CERTS/stranger.crt" bob@d33.test
    policy <<< "policy d33.test verify ca=$CERTS/root.crt"
    send 75 "${FROM[@]}" "${POLICY[@]}" bob@d33.test
    same "$(r .failure)" certificate-host-mismatch
    policy <<< "policy d33.test verify match=nexthop ca=$CERTS/stranger.crt"
    send 75 "${FROM[@]}" "${POLICY[@]}" bob@d33.test
    same "$(r .failure)" certificate-not-trusted
}

# --- the text ----------------------------------------------------------------------------------------

# arrives FILE: sends it with -i; what was on the wire is its lines with CR LF and dots doubled.
arrives() {
    local n
    MESSAGE=$1 send 0 -i "${FROM[@]}" bob@d45.test
    n=$(sessions good)
    { cat "$1" && { [ "$(tail -c 1 "$1")" = "" ] || echo; }; } | sed 's/\r$//; s/^\./../; s/$/\r/' > "$1.wanted"
    cmp "$1.wanted" "$BATS_FILE_TMPDIR/S$n.1"
    # RFC 5321 s2.3.8, s4.5.3.1.6: CR LF only, and no line above 998
    same "$(LC_ALL=C tr -d '\n' < "$BATS_FILE_TMPDIR/S$n.1" | tr -cd '\r' | wc -c)" "$(wc -l < "$BATS_FILE_TMPDIR/S$n.1")"
    same "$(awk 'length > 999' "$BATS_FILE_TMPDIR/S$n.1" | wc -l)" 0
}

@test "the message arrives as it was given, but for line ends and doubled dots" {
    cd "$BATS_TEST_TMPDIR"
    head -n 6 "$MESSAGE" > header
    { cat header && printf '.\n..\n...\n.x\n\n.\nend\n'; } > dots
    { cat header && head -c 998 /dev/zero | tr '\0' x && echo && echo short; } > long
    { cat header && printf 'gr\xfc\xdfe \xe2\x82\xac\n'; } > 8bit
    { cat header && printf 'no line end'; } > open-end
    { cat header && printf 'one\ntwo\n.\n'; } | sed 's/$/\r/' > crlf
    cp header no-body
    head -n 5 "$MESSAGE" > no-empty-line
    { cat header && yes 'a line of text.' | head -c 1000000 && echo; } > megabyte
    local name
    for name in dots long 8bit open-end crlf no-body megabyte; do
        arrives "$name" || assert_fail "$name did not arrive as it was" "$(head -c 500 "$name.wanted")"
    done
    # a header that ends with the input gets its empty line
    MESSAGE=no-empty-line send 0 "${FROM[@]}" bob@d45.test
    cmp <(sed 's/$/\r/' header) "$BATS_FILE_TMPDIR/S$(sessions good).1"
}

@test "dots at the start of lines survive a real Postfix" {
    head -n 6 "$MESSAGE" > "$BATS_TEST_TMPDIR/dots"
    printf '.\n..\n.x\n\nend\n' >> "$BATS_TEST_TMPDIR/dots"
    MESSAGE=$BATS_TEST_TMPDIR/dots send 0 -i "${FROM[@]}" frank@rsa.test
    postfix_mail frank@rsa.test
    same "$(sed '1,/^$/d' "$MAIL")" $'.\n..\n.x\n\nend'
}

@test "without -i a lone dot ends the message, with -i it is text" {
    head -n 6 "$MESSAGE" > "$BATS_TEST_TMPDIR/dot"
    printf 'one\n.\ntwo\n' >> "$BATS_TEST_TMPDIR/dot"
    MESSAGE=$BATS_TEST_TMPDIR/dot send 0 "${FROM[@]}" bob@d45.test
    same "$(tail -n 1 "$BATS_FILE_TMPDIR/S$(sessions good).1")" $'one\r'
    [[ $stderr == *"lost (use -i)"* ]] || assert_fail "a warning" "$stderr"
}

@test "bytes that could smuggle a second message never leave: bare CR, bare LF, NUL around a dot" {
    local end
    for end in '\n.\r' '\r.\n' '\r.\r' '\r\r\n.\r\n' '\0\n.\n' '\n.\0\n'; do
        head -n 6 "$MESSAGE" > "$BATS_TEST_TMPDIR/odd"
        # shellcheck disable=SC2059 # the row is the format
        printf "one${end}MAIL FROM:<x@y.test>\nlast\n" >> "$BATS_TEST_TMPDIR/odd"
        MESSAGE=$BATS_TEST_TMPDIR/odd send 0 -i "${FROM[@]}" bob@d45.test
        cp "$BATS_FILE_TMPDIR/S$(sessions good).1" "$BATS_TEST_TMPDIR/wire"
        same "$end $(tail -n 1 "$BATS_TEST_TMPDIR/wire")" "$end "$'last\r'
        same "$end $(tr -cd '\0' < "$BATS_TEST_TMPDIR/wire" | wc -c)" "$end 0"
        same "$end $(tr -cd '\r' < "$BATS_TEST_TMPDIR/wire" | wc -c)" "$end $(wc -l < "$BATS_TEST_TMPDIR/wire")"
    done
    same "$(grep -c 'MAIL FROM:<x@y.test>' "$(peer_log good)")" 0
}

@test "-t: recipients of To, Cc and Bcc, each once; Bcc never leaves" {
    local n
    cat > "$BATS_TEST_TMPDIR/message" << 'TEXT'
From: alice@client.box.test
To: "Bob, the one" <bob@d45.test>, friends: carol@d45.test,
 dave@D45.test (not <eve@d45.test>);
Cc: bob@d45.test
BCC : secret1@d45.test,
 secret2@d45.test
Bcc: secret3@d45.test
Subject: lists

To: body@d45.test
TEXT
    MESSAGE=$BATS_TEST_TMPDIR/message send 0 -t "${FROM[@]}" argv@d45.test
    n=$(sessions good)
    same "$(sed -n "s/^S$n C: RCPT TO:<\(.*\)@d45.test>/\1/p" "$(peer_log good)" | xargs)" \
        "bob carol dave secret1 secret2 secret3 argv"
    file_has_not "$BATS_FILE_TMPDIR/S$n.1" secret
    file_has "$BATS_FILE_TMPDIR/S$n.1" 'To: "Bob, the one" <bob@d45.test>, friends: carol@d45.test,'
    same "$(jq -r .recipient <<< "$output" | sort | uniq -c | awk '$1 != 1' | wc -l) ${#lines[@]}" "0 7"
}

@test "an address that cannot be understood does not hold up the others, and is told" {
    send 0 "${FROM[@]}" 'bob@d45.test, carol@@d45.test' 'dave@d45.test'
    same "$(jq -r .recipient <<< "$output" | xargs)" "bob@d45.test dave@d45.test"
    [[ $stderr == *"carol@@d45.test"*"not sent there"* ]] || assert_fail "carol" "$stderr"
}

@test "the null sender, and who sends without -f" {
    send 0 -f '' bob@d45.test
    send 0 -f '<>' bob@d45.test
    send 0 -f 'Alice A. <alice@client.box.test>' bob@d45.test
    send 0 bob@d45.test
    sessions good > /dev/null
    same "$(grep -o 'MAIL FROM:<[^>]*>' "$(peer_log good)" | tail -n 4 | xargs)" \
        "MAIL FROM:<> MAIL FROM:<> MAIL FROM:<alice@client.box.test> MAIL FROM:<$(id -un)@client.box.test>"
}

# --- extensions --------------------------------------------------------------------------------------

@test "SIZE: what is too big is not even announced, status 65; else it is told (RFC 1870)" {
    mx small 34 'send 220 mx' 'serve ehlo=SIZE 100'
    send 65 "${FROM[@]}" bob@d34.test
    same "$(r '.status, .failure, .enhanced' | xargs)" "failed message-too-big 5.3.4"
    same "$(wire small 1)" "EHLO QUIT"
    send 0 "${FROM[@]}" bob@d45.test
    grep -q " C: MAIL FROM:<alice@client.box.test> SIZE=$(sed 's/$/x/' "$MESSAGE" | wc -c)\$" "$(peer_log good)"
}

@test "8BITMIME is asked for when it is offered and needed (RFC 6152)" {
    mx seven 35 'send 220 mx' 'serve'
    { cat "$MESSAGE" && printf 'gr\xc3\xbc\xc3\x9fe\n'; } > "$BATS_TEST_TMPDIR/8bit"
    MESSAGE=$BATS_TEST_TMPDIR/8bit send 0 "${FROM[@]}" bob@d45.test bob@d35.test
    sessions good > /dev/null
    sessions seven > /dev/null
    grep MAIL "$(peer_log good)" | tail -n 1 | grep -q ' BODY=8BITMIME$'
    file_has "$(peer_log seven)" 'S1 C: MAIL FROM:<alice@client.box.test>'
    file_has_not "$(peer_log seven)" BODY=
    send 0 "${FROM[@]}" bob@d45.test
    sessions good > /dev/null
    same "$(grep MAIL "$(peer_log good)" | tail -n 1 | grep -c BODY)" 0
}

@test "an address that needs SMTPUTF8 fails where it is not offered, its neighbours do not (RFC 6531)" {
    send 65 "${FROM[@]}" jürgen@d45.test bob@d45.test
    same "$(to jürgen@d45.test '.status, .failure, .enhanced' | xargs)" "failed smtputf8-not-offered 5.6.7"
    same "$(to bob@d45.test .status)" delivered
    send 65 -f jürgen@client.box.test bob@d45.test
    same "$(r '.status, .failure, .enhanced' | xargs)" "failed smtputf8-not-offered 5.6.7"
    mx utf8 36 'send 220 mx' 'serve ehlo=SMTPUTF8;8BITMIME'
    send 0 "${FROM[@]}" jürgen@d36.test
    send 0 "${FROM[@]}" bob@d36.test
    sessions utf8 > /dev/null
    same "$(grep -c ' SMTPUTF8$' "$(peer_log utf8)")" 1 # offered twice
}

# --- replies -----------------------------------------------------------------------------------------

@test "each refusal: final, or the next host's (RFC 5321 s4.2.1)" {
    local row word code what served before got bad='' long
    local -a rows steps=()
    long="250 $(head -c 3000 /dev/zero | tr '\0' x)"
    mapfile -t rows < <(refusals)
    # one connection for each row, in their order
    for row in "${rows[@]}"; do
        word=${row%%|*}
        steps+=('send 220 mx' "serve ${word/LONG/$long}" session)
    done
    mx refusing 30 "${steps[@]}"
    mx next 31 'send 220 mx' 'serve'
    for row in "${rows[@]}"; do
        IFS='|' read -r word code what served <<< "$row"
        before=$(sessions next)
        run --separate-stderr "$MXTLS" send --no-queue --json --timeout 20s "${FROM[@]}" bob@pair.test < "$MESSAGE"
        got="$status|$(r .status)|$(($(sessions next) - before))"
        if [ "$got" != "$code|$what|$served" ]; then
            bad+="$word: wanted $code|$what|$served, was $got: $output"$'\n'
        fi
    done
    same "$(sessions refusing)" "${#rows[@]}"
    [ -z "$bad" ] || assert_fail "wrong" "$bad"
}

# Reply at h30, the first MX host; exit status, outcome, and how often the second one is asked.
refusals() {
    cat << 'ROWS'
mail=550 5.7.1 no|69|failed|0
mail=550 5.1.8 no such sender domain|69|failed|0
mail=552 5.3.4 too big|65|failed|0
mail=451 4.3.0 not now|0|delivered|1
mail=421 4.3.2 bye|0|delivered|1
mail=cut|0|delivered|1
mail=LONG|0|delivered|1
mail=not a reply|0|delivered|1
mail=354 what|0|delivered|1
rcpt=550 5.1.1 who|67|failed|0
rcpt=550 who|67|failed|0
rcpt=550 5.7.1 no|69|failed|0
rcpt=556 5.1.10 null MX|68|failed|0
rcpt=251 will forward|0|delivered|0
rcpt=450 4.2.0 not now|0|delivered|1
rcpt=452 4.5.3 too many|0|delivered|1
rcpt=421 4.3.2 bye|0|delivered|1
rcpt=cut|0|delivered|1
data=451 4.3.0 not now|0|delivered|1
data=554 5.7.1 no|69|failed|0
data=421 4.3.2 bye|0|delivered|1
data=cut|0|delivered|1
data=LONG|0|delivered|1
data=250 what|0|delivered|1
dot=451 4.3.0 not now|0|delivered|1
dot=421 4.3.2 bye|0|delivered|1
dot=554 5.6.0 bad message|65|failed|0
dot=552 too big|65|failed|0
dot=550 5.7.1 spam|69|failed|0
dot=354 what|0|delivered|1
dot=cut|75|deferred|0
dot=LONG|75|deferred|0
dot=25|75|deferred|0
ROWS
}

@test "no answer to the final dot: deferred, said to be a possible duplicate, no other host is tried (RFC 1047)" {
    mx silent 66 'send 220 mx' 'serve dot=cut'
    mx spare 67 'send 220 mx' 'serve'
    send 75 "${FROM[@]}" bob@pair2.test
    same "$(r '.status, .maybe_duplicate, .exchange' | xargs)" "deferred true h66.box.test"
    mxtls_send 75 "${FROM[@]}" bob@pair2.test
    [[ $stderr == *"it may have arrived all the same"* ]] || assert_fail "text" "$stderr"
    same "$output" ""
    same "$(sessions spare)" 0
    peer_stop silent
    # cut before that is no such thing, and the next host may have it
    mx silent 66 'send 220 mx' 'serve data=break' 'send 354 go' 'recv 10' 'reset'
    { cat "$MESSAGE" && yes 'a line of text.' | head -c 3000000; } > "$BATS_TEST_TMPDIR/big"
    MESSAGE=$BATS_TEST_TMPDIR/big send 0 "${FROM[@]}" bob@pair2.test
    same "$(r '.maybe_duplicate, .exchange' | xargs)" "false h67.box.test"
}

@test "one transaction, three fates: delivered, refused, deferred; 75 is the worst" {
    mx three 37 'send 220 mx' 'serve ehlo=STARTTLS,rcpt:bad=550 5.1.1 who,rcpt:later=450 4.2.1 busy'
    send 75 "${FROM[@]}" bad@d37.test later@d37.test good@d37.test
    same "$(wire three 1)" "EHLO STARTTLS tls EHLO MAIL RCPT RCPT RCPT DATA text QUIT"
    same "$(sessions three)" 1
    same "$(jq -r '"\(.recipient) \(.status) \(.exit_status) \(.enhanced)"' <<< "$output")" \
        $'bad@d37.test failed 67 5.1.1\nlater@d37.test deferred 75 4.2.1\ngood@d37.test delivered 0 2.0.0'
    send 67 "${FROM[@]}" bad@d37.test good@d37.test
    send 69 "${FROM[@]}" bad@d37.test good@d37.test bob@null.test
    mxtls_send 75 "${FROM[@]}" bad@d37.test later@d37.test good@d37.test
    same "${#lines[@]}" 1
    matches '^good@d37\.test: delivered '
    [[ $stderr == *"bad@d37.test: not delivered, permanently"*"later@d37.test: not delivered, try again later"* ]] ||
        assert_fail "stderr" "$stderr"
}

@test "DATA refused for now after one recipient was refused for good: nobody is asked twice" {
    mx once 38 'send 220 mx' 'serve rcpt:bad=550 5.1.1 who,data=451 4.3.0 not now'
    send 75 "${FROM[@]}" a@d38.test bad@d38.test b@d38.test
    same "$(wire once 1)" "EHLO MAIL RCPT RCPT RCPT DATA QUIT"
    same "$(jq -r '"\(.status) \(.enhanced)"' <<< "$output")" $'deferred 4.3.0\nfailed 5.1.1\ndeferred 4.3.0'
}

@test "a mailbox that is full does not hold up the others, wherever it stands (452 4.2.2)" {
    mx full 39 'send 220 mx' 'serve rcpt:full=452 4.2.2 mailbox full'
    send 75 "${FROM[@]}" full1@d39.test a@d39.test full2@d39.test b@d39.test
    same "$(jq -r .status <<< "$output" | xargs)" "deferred delivered deferred delivered"
    same "$(wire full 1)" "EHLO MAIL RCPT RCPT RCPT RCPT DATA text QUIT"
}

@test "too many recipients: the rest goes in further transactions of the connection (RFC 5321 s4.5.3.1.10)" {
    mx two 49 'send 220 mx' 'serve max=2'
    send 0 "${FROM[@]}" a@d49.test b@d49.test c@d49.test d@d49.test e@d49.test
    same "$(sessions two)" 1
    same "$(wire two 1)" "EHLO MAIL RCPT RCPT RCPT DATA text MAIL RCPT RCPT DATA text MAIL RCPT DATA text QUIT"
    same "$(jq -r .status <<< "$output" | sort | uniq -c | xargs)" "5 delivered"
    # from the days of RFC 821
    mx old 50 'send 220 mx' 'serve max=2,max-reply=552 too many recipients'
    send 0 "${FROM[@]}" a@d50.test b@d50.test c@d50.test
    same "$(sessions old)" 1
}

@test "mxtls listen with --max-recipients 2 takes five in three messages" {
    mkdir "$BATS_TEST_TMPDIR/mail"
    peer_start listen '25' "$MXTLS" listen --self-signed --accept d51.test --deliver "maildir:$BATS_TEST_TMPDIR/mail" \
        --max-recipients 2 192.0.2.51:25
    policy <<< 'default encrypt'
    send 0 "${FROM[@]}" "${POLICY[@]}" a@d51.test b@d51.test c@d51.test d@d51.test e@d51.test
    same "$(jq -r '"\(.status) \(.tls.version)"' <<< "$output" | sort | uniq -c | xargs)" "5 delivered TLSv1.3"
    same "$(find "$BATS_TEST_TMPDIR/mail" -path '*/new/*' -type f | wc -l)" 5
    # each of the three has a queue id of its own
    same "$(jq -r .reply <<< "$output" | sort -u | wc -l)" 3
}

@test "more than a hundred recipients: a hundred a transaction (s4.5.3.1.8)" {
    local i words
    local -a many=()
    for i in {1..203}; do many+=("u$i@d52.test"); done
    mx many 52 'send 220 mx' 'serve max=100,rcpt:u7@=550 5.1.1 who'
    send 67 "${FROM[@]}" "${many[@]}"
    words=$(wire many 1)
    same "$(grep -o MAIL <<< "$words" | wc -l) $(grep -o text <<< "$words" | wc -l) $(grep -o RCPT <<< "$words" | wc -l)" "3 3 203"
    same "$(jq -r .status <<< "$output" | sort | uniq -c | xargs)" "202 delivered 1 failed"
    same "$(jq -r .recipient <<< "$output")" "$(printf '%s\n' "${many[@]}")"
}

@test "two rules never share a connection, nor do two domains without a smarthost" {
    local before
    policy << POLICY
policy strict.test verify
default may
POLICY
    before=$(sessions good)
    send 0 "${FROM[@]}" "${POLICY[@]}" a@strict.test b@d45.test c@strict.test
    same "$(($(sessions good) - before))" 2
    same "$(grep RCPT "$(peer_log good)" | tail -n 3 | sed 's/ C: RCPT TO:<.*@/ /; s/>//' | sort | uniq -c | awk '{ print $1, $3 }' | sort | xargs)" \
        "1 d45.test 2 strict.test"
}

@test "a smarthost: one connection a rule, whatever the domains, whose own MX is not asked for (DECISIONS E30)" {
    mx via 53 'send 220 mx' 'serve ehlo=STARTTLS'
    policy << 'POLICY'
group a a1.example a2.example
policy a verify
default encrypt
POLICY
    send 0 "${FROM[@]}" "${POLICY[@]}" --via '[h53.box.test]:25' x@a1.example y@a2.example z@null.test w@b.example
    same "$(sessions via)" 2
    same "$(grep -oE '^S[0-9] C: RCPT TO:<.' "$(peer_log via)" | sed 's/ C:.*</ /' | sort -k 2 | awk '{ s[$1] = s[$1] $2 } END { for (i in s) print s[i] }' | sort | xargs)" "wz xy"
    same "$(to y@a2.example '.exchange, .group, .rule' | xargs)" "h53.box.test a $BATS_TEST_TMPDIR/policy:2 (group a)"
    policy <<< 'default verify via=[h53.box.test]:25'
    send 0 "${FROM[@]}" "${POLICY[@]}" x@a1.example y@a2.example
    same "$(sessions via)" 3
    policy <<< 'default verify via=[192.0.2.53]:25'
    send 75 "${FROM[@]}" "${POLICY[@]}" x@a1.example
    same "$(r .failure)" certificate-host-mismatch
    # without brackets the MX hosts of the smarthost's name
    send 0 "${FROM[@]}" --via d53.test x@a1.example
    same "$(r .exchange)" h53.box.test
}

# bats test_tags=fibers
@test "domains are served at once, not one after the other" {
    local i start
    for i in {54..59}; do mx "slow$i" "$i" 'pause 3000' 'send 220 mx' 'serve'; done
    start=$(date +%s%N)
    send 0 "${FROM[@]}" a@d54.test a@d55.test a@d56.test a@d57.test a@d58.test a@d59.test
    [ $((($(date +%s%N) - start) / 1000000)) -lt 12000 ] || assert_fail "took too long" "$(($(date +%s%N) - start)) ns"
}

@test "a reply in the middle of the text is the reply, and the rest is not sent" {
    { cat "$MESSAGE"; yes 'a line of text that goes on and on and on and on' | head -n 200000; } > "$BATS_TEST_TMPDIR/big"
    mx mid46 46 'send 220 mx' 'serve data=break' 'send 354 go on' 'recv 20000' 'send 552 5.3.4 enough' 'close'
    mx mid48 48 'send 220 mx' 'serve ehlo=STARTTLS,data=break' 'send 354 go on' 'recv 20000' 'send 452 4.3.1 no room' 'until-close'
    MESSAGE=$BATS_TEST_TMPDIR/big send 65 "${FROM[@]}" bob@d46.test
    same "$(r '.status, .enhanced, .reply' | xargs)" "failed 5.3.4 552 5.3.4 enough"
    MESSAGE=$BATS_TEST_TMPDIR/big send 75 "${FROM[@]}" bob@d48.test
    same "$(r '.status, .enhanced, .reply, .maybe_duplicate' | xargs)" "deferred 4.3.1 452 4.3.1 no room false"
}

@test "concurrency= and rate= hold for all processes of a user" {
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    local start pids=() i
    policy <<< 'policy d68.test may concurrency=1
policy d45.test may rate=2/2s'
    mx one 68 'send 220 mx' 'pause 700' 'serve'
    for i in 1 2 3; do
        "$MXTLS" send --no-queue --quiet "${FROM[@]}" "${POLICY[@]}" bob@d68.test < "$MESSAGE" > /dev/null 2>&1 3>&- &
        pids+=($!)
    done
    wait "${pids[@]}"
    # no session begins before the one before it has ended
    same "$(sed -nE 's/^(S[0-9]+) (S: 220|end).*/\2/p' "$(peer_log one)" | xargs)" "S: 220 end S: 220 end S: 220 end"
    start=$(date +%s%N)
    for i in 1 2 3; do send 0 "${FROM[@]}" "${POLICY[@]}" bob@d45.test; done
    [ $((($(date +%s%N) - start) / 1000000)) -ge 900 ] || assert_fail "no pause before the third"
    send 75 --deadline 300ms "${FROM[@]}" "${POLICY[@]}" bob@d45.test
    [[ $(r .error) == *"concurrency= and rate="* ]] || assert_fail "$output"
}

# --- ends --------------------------------------------------------------------------------------------

@test "an error in the policy: file, line and what was expected, status 78, nothing is sent" {
    local text line expected before
    before=$(sessions good)
    while IFS='|' read -r text line expected; do
        # shellcheck disable=SC2059 # the row is the format
        policy < <(printf "$text")
        mxtls_send 78 "${FROM[@]}" "${POLICY[@]}" bob@d45.test
        [[ $stderr == *"$BATS_TEST_TMPDIR/policy:$line: "*"$expected"* ]] || assert_fail "$text" "$stderr"
        same "$output" ""
    done << 'ROWS'
default my\n|1|did you mean "may"
default may\ngruop a b.test\n|2|did you mean "group"
policy nobody verify\n|1|nobody
policy a.test may fallback=sometimes\n|1|never, delayed or now
policy a.test may min=TLSv1.4\n|1|TLSv1.3
policy a.test encrypt fallback=now\n|1|has no effect
policy a.test verify\npolicy a.test may\n|2|a.test
policy a.test fingerprint\n|1|needs sha256=
policy mx:a.test none\n|1|can only add
default verify ca=/nonexistent\n|1|/nonexistent
group x @nonexistent.list\n|1|nonexistent.list
policy a.test none sticky=yes\n|1|has no effect at level none
ROWS
    mxtls_send 78 "${FROM[@]}" --policy /nonexistent/policy bob@d45.test
    [[ $stderr == *"/nonexistent/policy"* ]] || assert_fail "its name" "$stderr"
    mxtls_send 78 "${FROM[@]}" --policy "$BATS_TEST_TMPDIR" bob@d45.test
    same "$(sessions good)" "$before"
}

@test "the policy is found in the configuration folder, and is not passed over when it is wrong" {
    mkdir -p "$BATS_TEST_TMPDIR/config/mxtls"
    echo 'policy notls.test encrypt' > "$BATS_TEST_TMPDIR/config/mxtls/policy"
    XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config send 75 "${FROM[@]}" gina@notls.test
    same "$(r .rule)" "$BATS_TEST_TMPDIR/config/mxtls/policy:1"
    echo 'nonsense' > "$BATS_TEST_TMPDIR/config/mxtls/policy"
    XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config mxtls_send 78 "${FROM[@]}" bob@d45.test
    rm "$BATS_TEST_TMPDIR/config/mxtls/policy"
    ln -s policy "$BATS_TEST_TMPDIR/config/mxtls/policy" # cannot be opened
    XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config mxtls_send 78 "${FROM[@]}" bob@d45.test
    HOME=$BATS_TEST_TMPDIR send 0 "${FROM[@]}" bob@d45.test
    same "$(r .rule)" "built-in default"
}

@test "what is wrong on the command line or cannot be read: its status, and nothing is sent" {
    local want words before
    before=$(sessions good)
    while IFS='|' read -r want words; do
        # shellcheck disable=SC2086 # words
        mxtls_send "$want" $words
        [[ $stderr == "mxtls send: "* ]] || assert_fail "$words" "$stderr"
    done << 'ROWS'
64|-f a@client.box.test
64|--nonsense bob@d45.test
64|--via [192.0.2.45 bob@d45.test
64|--via 192.0.2.45 bob@d45.test
64|--via h45.box.test:0 bob@d45.test
64|--helo a..b bob@d45.test
64|--resolver nowhere bob@d45.test
64|--port 0 bob@d45.test
64|--timeout never bob@d45.test
65|bob@@d45.test
65|-f a@@b bob@d45.test
65|-f a@x.test,b@x.test bob@d45.test
65|--max-size 100 bob@d45.test
78|--ca-file /nonexistent bob@d45.test
78|--ca-file /etc/passwd bob@d45.test
78|--ca-dir /nonexistent bob@d45.test
ROWS
    printf 'Subject: nobody\n\nx\n' > "$BATS_TEST_TMPDIR/nobody"
    MESSAGE=$BATS_TEST_TMPDIR/nobody mxtls_send 64 -t "${FROM[@]}"
    same "$(sessions good)" "$before"
}

@test "a full disk: status 74, nothing is sent, nothing is left" {
    local before
    before=$(sessions good)
    mkdir "$BATS_TEST_TMPDIR/small"
    mount -t tmpfs -o size=64k small "$BATS_TEST_TMPDIR/small"
    { cat "$MESSAGE" && yes 'a line of text.' | head -c 300000; } > "$BATS_TEST_TMPDIR/big"
    MESSAGE=$BATS_TEST_TMPDIR/big TMPDIR=$BATS_TEST_TMPDIR/small mxtls_send 74 "${FROM[@]}" bob@d45.test
    [[ $stderr == *"No space left"* ]] || assert_fail "why" "$stderr"
    same "$(find "$BATS_TEST_TMPDIR/small" -type f | wc -l) $(sessions good)" "0 $before"
    umount "$BATS_TEST_TMPDIR/small"
}

@test "interrupted while it reads the message: status 75, nothing is sent (DESIGN 8)" {
    local signal pid before i
    before=$(sessions good)
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    for signal in INT TERM; do
        "$MXTLS" send --no-queue "${FROM[@]}" bob@d45.test < "$BATS_TEST_TMPDIR/fifo" > "$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
        pid=$!
        exec {fifo}> "$BATS_TEST_TMPDIR/fifo"
        cat "$MESSAGE" >&"$fifo"
        for i in $(seq 100); do # until it catches SIGTERM
            if ((0x$(awk '/^SigCgt/ { print $2 }' "/proc/$pid/status") & 0x4000)); then break; fi
            read -rt 0.1 <> <(:) || true
        done
        kill -s "$signal" "$pid"
        end_of "$pid"
        exec {fifo}>&-
        same "$signal $ENDED" "$signal 75"
        file_has "$BATS_TEST_TMPDIR/out" "mxtls send: "
    done
    same "$(sessions good)" "$before"
}

@test "interrupted while it delivers: a grace of five seconds, then 75; nothing is claimed" {
    local pid
    mx stuck 60 'send 220 mx' 'serve rcpt=break' 'stall'
    "$MXTLS" send --no-queue --json "${FROM[@]}" bob@d60.test < "$MESSAGE" > "$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    pid=$!
    peer_wait_line stuck '^S1 C: RCPT'
    kill -s TERM "$pid"
    end_of "$pid"
    same "$ENDED $(jq -r '.status, .failure' "$BATS_TEST_TMPDIR/out" | xargs)" "75 deferred cancelled"
}

@test "--timeout and --deadline end what does not answer: status 75" {
    mx stuck 61 'send 220 mx' 'serve mail=break' 'stall'
    send 75 --timeout 1s "${FROM[@]}" bob@d61.test
    same "$(r '.status, .failure' | xargs)" "deferred timeout"
    send 75 --timeout 1m --deadline 1s "${FROM[@]}" bob@d61.test
    same "$(r .status)" deferred
}

@test "what cannot be printed does not undo what was delivered: status 0" {
    local before
    before=$(sessions good)
    # a pipe without reader
    { "$MXTLS" send --no-queue "${FROM[@]}" bob@d45.test < "$MESSAGE" 2> "$BATS_TEST_TMPDIR/err"; echo $? > "$BATS_TEST_TMPDIR/status"; } | exec true
    wait_for_line "$BATS_TEST_TMPDIR/status" .
    same "$(cat "$BATS_TEST_TMPDIR/status" "$BATS_TEST_TMPDIR/err")" 0
    # shellcheck disable=SC2016 # for the inner shell
    run -0 bash -c '"$MXTLS" send --no-queue -f a@client.box.test bob@d45.test < "$MESSAGE" > /dev/full'
    has "cannot write to standard output"
    same "$(($(sessions good) - before))" 2
}

@test "closed descriptors: no talk in the dialogue or the message" {
    "$MXTLS" send --no-queue -v "${FROM[@]}" bob@d45.test < "$MESSAGE" >&- 2>&-
    cmp <(sed 's/$/\r/' "$MESSAGE") "$BATS_FILE_TMPDIR/S$(sessions good).1"
    # without stdin: an empty message, as from /dev/null
    "$MXTLS" send --no-queue "${FROM[@]}" bob@d45.test <&- >&- 2>&-
    same "$(sed 's/:.*//' "$BATS_FILE_TMPDIR/S$(sessions good).1" | tr -d '\r' | xargs)" "Message-ID Date From"
}

@test "output: nothing but failures with --quiet; a JSON line for each recipient; no text with -v" {
    mxtls_send 0 --quiet "${FROM[@]}" bob@d45.test
    same "$output$stderr" ""
    mxtls_send 68 --quiet "${FROM[@]}" bob@d45.test bob@null.test
    same "$output" ""
    [[ $stderr == "mxtls send: bob@null.test: not delivered, permanently"* ]] || assert_fail "stderr" "$stderr"
    send 68 "${FROM[@]}" bob@d45.test bob@null.test
    same "$(jq -rc '[.recipient, .status, .reply, .error, .exchange]' <<< "$output")" \
        $'["bob@d45.test","delivered","250 2.0.0 taken",null,"h45.box.test"]\n["bob@null.test","failed",null,"null.test accepts no mail (null MX)",null]'
    same "$stderr" ""
    mxtls_send 0 -v "${FROM[@]}" bob@d45.test
    same "$(sed -n 's/^192\.0\.2\.45:25 C: //p' <<< "$stderr" | sed 's/[ :].*//' | xargs)" "EHLO STARTTLS EHLO MAIL RCPT DATA QUIT"
    [[ $stderr != *"Hello Bob"* && $stderr != *Subject* ]] || assert_fail "text of the message" "$stderr"
}

@test "mxtls-send(1) names every key of the JSON, and no other" {
    send 0 "${FROM[@]}" bob@d45.test
    same "$(sed -n '/^\.Sh JSON/,/^\.Sh POLICY/p' "$ROOT/man/mxtls-send.1" | sed -nE 's/^\.(It )?Cm //p' | tr -d ',' | tr -s ' ' '\n' | sort | xargs)" \
        "$(jq -r 'paths | .[-1] | strings' <<< "$output" | sort | xargs)"
}

@test "what a server says cannot reach the terminal or the log as anything but text" {
    mx rude 62 'send 220 mx' 'serve dot=250 ok \x1b[31mred\x07,rcpt:bad=550 5.1.1 \x1b]0;title\x07 \xff'
    mxtls_send 67 "${FROM[@]}" a@d62.test bad@d62.test
    [[ $output$stderr != *$'\033'* && $output$stderr != *$'\007'* ]] || assert_fail "escapes" "$output$stderr"
    send 67 "${FROM[@]}" a@d62.test bad@d62.test
    same "$(jq -r .status <<< "$output" | xargs)" "delivered failed"
}

@test "without fibers the same: hosts in order, policy, partial failure, several domains" {
    export MXTLS_NO_FIBERS=1
    policy << 'POLICY'
group strict rsa.test wrongname.test
policy strict verify
POLICY
    mx part 63 'send 220 mx' 'serve rcpt:bad=550 5.1.1 who,max=2'
    send 75 "${FROM[@]}" "${POLICY[@]}" hans@rsa.test hans@wrongname.test hans@notls.test bad@d63.test a@d63.test b@d63.test \
        c@d63.test hans@d69.test hans@null.test
    same "$(jq -r '"\(.status)/\(.tls.version // "-")"' <<< "$output" | xargs)" \
        "delivered/TLSv1.3 deferred/TLSv1.3 delivered/- failed/- delivered/- delivered/- delivered/- deferred/- failed/-"
    postfix_mail hans@rsa.test
    MXTLS_NO_FIBERS=1 send 75 --timeout 1s --resolver 192.0.2.99 "${FROM[@]}" bob@d45.test
    mx stuck 64 'send 220 mx' 'serve rcpt=break' 'stall'
    "$MXTLS" send --no-queue --json "${FROM[@]}" bob@d64.test < "$MESSAGE" > "$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    local pid=$!
    peer_wait_line stuck '^S1 C: RCPT'
    kill -s TERM "$pid"
    end_of "$pid"
    same "$ENDED $(jq -r .failure "$BATS_TEST_TMPDIR/out")" "75 cancelled"
}
