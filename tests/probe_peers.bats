# mxtls probe against servers that do what real ones don't, or shouldn't. Only a complete 250 reply to
# EHLO can say that there is no STARTTLS; everything else is unknown, with its reason, and in time.
# shellcheck disable=SC2154,SC2016 # stderr is set by run --separate-stderr; $0 is for the inner shell
load lib/rig
load lib/probe

setup_file() {
    certs_make
}

# row WANT JQ...: what the first address says
row() {
    local want=$1
    shift
    host
    same "$(h "$1" | xargs)" "$want"
}

STATE='.status, .starttls_state, .result_type'

# --- where STARTTLS is, and where it is not ---------------------------------------------------------

@test "STARTTLS as the last line, in any case, with an argument, is STARTTLS (RFC 5321 s4.1.1.1)" {
    local words
    for words in 'SIZE 1,STARTTLS' 'starttls,SIZE 1' 'SIZE 1,StartTls' 'STARTTLS now'; do
        serve case 'send 220 mx' "ehlo $words" starttls serve
        probe 1 "$TARGET"
        row "success done certificate-host-mismatch" "$STATE"
        peer_stop case
    done
}

@test "a word that merely contains STARTTLS is not STARTTLS" {
    serve inside 'send 220 mx STARTTLS' 'expect EHLO' \
        'raw 250-starttls.example.com STARTTLS\r\n250-XSTARTTLS\r\n250-STARTTLSX\r\n250-AUTH STARTTLS\r\n250 X-STARTTLS\r\n' serve
    probe 2 "$TARGET"
    row "success not-offered starttls-not-supported" "$STATE"
}

@test "a greeting of many lines, and replies in many segments" {
    serve pieces 'raw 220-mx.example ESMTP\r\n' 'pause 50' 'raw 220-wait' 'pause 50' 'raw ing\r' 'pause 50' \
        'raw \n220 go\r\n' 'expect EHLO' 'raw 250-mx\r\n25' 'pause 50' 'raw 0-SIZE 1\r\n250 START' 'pause 50' \
        'raw TLS\r\n' 'expect STARTTLS' 'raw 22' 'pause 50' 'raw 0 go\r\n' tls serve
    probe 1 "$TARGET"
    row "success done certificate-host-mismatch" "$STATE"
    same "$(h .banner)" $'mx.example ESMTP\nwaiting\ngo'
    same "$(h '.ehlo | join(",")')" "SIZE 1,STARTTLS"
}

@test "EHLO that is not known and HELO that is: no extensions, plaintext (DECISIONS C18)" {
    local code
    for code in 500 501 502 504 550; do
        serve helo 'send 220 mx' 'expect EHLO' "send $code what?" 'expect HELO' 'send 250 mx' serve
        probe 2 "$TARGET"
        row "success not-offered x-ehlo-unsupported $code true" "$STATE, .ehlo_code, .ehlo_unsupported"
        same "$(q .summary.verdict)" plaintext
        peer_stop helo
    done
}

@test "a keyword made of X is a firewall that strips STARTTLS" {
    serve masked 'send 220 ***' 'ehlo SIZE 1,XXXXXXXA' serve
    probe 2 "$TARGET"
    row "success not-offered true" '.status, .starttls_state, .keyword_masked'
    run -2 "$MXTLS" probe "$TARGET"
    has "rewrites the SMTP dialogue"
}

# --- what says nothing about STARTTLS ------------------------------------------------------------------

@test "greetings and EHLO replies that say nothing about STARTTLS are unknown, status 3" {
    local want steps
    local -a step
    while IFS='|' read -r want steps; do
        IFS=';' read -ra step <<< "$steps"
        serve unknown "${step[@]}"
        probe 3 --retries 0 --timeout 1s "$TARGET"
        row "$want unknown null" "$STATE"
        same "$steps $(q .summary.verdict)" "$steps unknown"
        [ "$(h .error)" != null ] || assert_fail "no error text" "$HOST"
        peer_stop unknown
    done <<'ROWS'
temporary-rejection|send 421 4.7.0 too many connections;close
temporary-rejection|send 450 4.7.1 greylisted;serve
policy-rejection|send 554 5.7.1 no service for you;serve
temporary-rejection|send 220 mx;expect EHLO;send 450 later;serve
temporary-rejection|send 220 mx;expect EHLO;send 421 4.3.2 closing;close
policy-rejection|send 220 mx;expect EHLO;send 554 no;serve
policy-rejection|send 220 mx;expect EHLO;send 502 no;expect HELO;send 550 no;serve
application-error|send 220 mx;expect EHLO;send 354 go on;serve
application-error|send 250 mx;serve
connection-closed|close
connection-closed|raw 220;pause 100;reset
connection-closed|raw 220-half;close
connection-closed|send 220 mx;close
connection-closed|send 220 mx;expect EHLO;raw 250-mx\r\n250-SIZE 1\r\n;close
connection-closed|send 220 mx;expect EHLO;raw 250-mx\r\n250 SIZE 1;close
protocol-error|send SSH-2.0-OpenSSH_9.2;until-close
protocol-error|send HTTP/1.1 400 Bad Request;close
protocol-error|send 220 mx;expect EHLO;raw 250-mx\r\n220 SIZE\r\n;until-close
protocol-error|send 220 mx;expect EHLO;raw 250-mx\r\nSTARTTLS\r\n;until-close
protocol-error|send 220 mx;expect EHLO;raw 250xmx\r\n;until-close
io-timeout|stall
io-timeout|send 220 mx;stall
io-timeout|send 220-mx;stall
io-timeout|send 220 mx;expect EHLO;raw 250-mx\r\n;stall
io-timeout|drip 200 220 this takes its time until somebody loses patience\r\n;stall
line-too-long|repeat 5000 220;until-close
line-too-long|send 220 mx;expect EHLO;repeat 1000 250-X\r\n;until-close
line-too-long|send 220 mx;expect EHLO;repeat 100000 250-SIZE\r\n;until-close
ROWS
}

@test "a port where nothing listens: unknown" {
    probe 3 '[192.0.2.30]:9'
    row "connection-refused unknown null" "$STATE"
    same "$(q '.summary | .measured, .unknown' | xargs)" "0 1"
}

@test "a server that stalls holds up nothing else, and no longer than --timeout and --deadline" {
    local begun=$SECONDS
    serve stall 'send 220 mx' stall
    probe 3 --timeout 60s --deadline 2s "$TARGET"
    row "io-timeout unknown null" "$STATE"
    serve drip 'drip 300 220-a\r\n220-b\r\n220-c\r\n220-d\r\n220-e\r\n220-f\r\n220-g\r\n220-h\r\n220-i\r\n220 j\r\n' serve
    probe 3 --timeout 1s "$TARGET"
    row "io-timeout unknown null" "$STATE"
    ((SECONDS - begun < 8)) || assert_fail "too slow" "$((SECONDS - begun)) s"
}

# --- from STARTTLS to the handshake -----------------------------------------------------------------------

@test "STARTTLS refused for now is unknown, refused for good is plaintext; QUIT follows" {
    serve refused 'send 220 mx' 'ehlo STARTTLS' 'expect STARTTLS' 'send 454 4.7.0 TLS not available' 'expect QUIT' 'send 221 bye' close
    probe 3 "$TARGET"
    row "refused 454 x-starttls-rejected true" '.starttls_state, .starttls_code, .result_type, .quit'
    same "$(h .starttls)" "454 4.7.0 TLS not available"
    serve never 'send 220 mx' 'ehlo STARTTLS' 'expect STARTTLS' 'send 500 unknown command XXXXXXXX' 'expect QUIT' 'send 221 bye' close
    probe 2 "$TARGET"
    row "refused 500 x-starttls-rejected true" '.starttls_state, .starttls_code, .result_type, .quit'
    file_has "$(peer_log never)" "C: QUIT"
}

@test "bytes behind the 220 in the same segment are response injection: counted, no ClientHello, no more" {
    local text
    for text in '250 injected\r\n' '250 injected' 'x'; do
        serve inject 'send 220 mx' 'ehlo STARTTLS' 'expect STARTTLS' "raw 220 go\\r\\n$text" 'recv 1' until-close
        probe 2 "$TARGET"
        row "protocol-error failed x-response-injection" "$STATE"
        same "$(h '.post_220_bytes > 0, (.tls | length), .timing.tls' | xargs)" "true 0 null"
        same "$(q '.summary.reasons[0] | sub("^[^ ]*: "; "")')" "bytes in clear after the reply to STARTTLS: response injection"
        peer_wait_line inject 'S1 end'
        file_has_not "$(peer_log inject)" plain-bytes
        peer_stop inject
    done
}

@test "bytes in clear in a later segment never become part of the session inside TLS" {
    local text
    for text in '250-mx\r\n250 STARTTLS\r\n' '250 injected'; do
        serve later 'send 220 mx' 'ehlo STARTTLS' 'expect STARTTLS' 'raw 220 go\r\n' 'recv 1' "raw $text" until-close
        probe 2 --timeout 2s "$TARGET"
        row "handshake-error failed" '.status, .starttls_state'
        same "$(h '(.ehlo_tls | length), .ehlo[0]' | xargs)" "0 STARTTLS"
        peer_stop later
    done
}

@test "220 and then no handshake: failed, and nothing more is said in clear" {
    local want verdict steps
    local -a step
    while IFS='|' read -r want verdict steps; do
        IFS=';' read -ra step <<< "$steps"
        serve broken 'send 220 mx' 'ehlo STARTTLS' 'expect STARTTLS' 'raw 220 go\r\n' "${step[@]}"
        run --separate-stderr "$MXTLS" probe --json --retries 0 --timeout 1s "$TARGET"
        row "$want failed" '.status, .starttls_state'
        same "$steps $(q .summary.verdict)" "$steps $verdict"
        peer_wait_line broken 'S1 end'
        file_has_not "$(peer_log broken)" "C: QUIT"
        peer_stop broken
    done <<'ROWS'
handshake-error|plaintext|recv 1;random 500;until-close
handshake-error|plaintext|recv 1;raw HTTP/1.1 400\r\n\r\n;until-close
handshake-error|plaintext|close
handshake-error|plaintext|recv 1;close
handshake-error|plaintext|recv 1;reset
handshake-error|plaintext|recv 1;raw \x15\x03\x03\x00\x02\x02\x28;close
io-timeout|unknown|recv 1;stall
ROWS
}

@test "an alert in the handshake is told by its name" {
    serve alert 'send 220 mx' 'ehlo STARTTLS' 'expect STARTTLS' 'raw 220 go\r\n' 'recv 1' 'raw \x15\x03\x03\x00\x02\x02\x28' close
    probe 2 "$TARGET"
    host
    same "$(h '.tls[0] | .complete, .alert' | xargs)" "false received handshake_failure"
    same "$(h .result_type)" validation-failure
}

# --- inside TLS --------------------------------------------------------------------------------------------

@test "extensions that change with TLS are told" {
    serve change 'send 220 mx' 'ehlo SIZE 1,VRFY,STARTTLS' starttls 'ehlo SIZE 1,AUTH PLAIN,REQUIRETLS' serve
    probe 1 "$TARGET"
    host
    same "$(h '(.ext_added | join(",")), (.ext_removed | join(","))' | tr '\n' ';')" "AUTH PLAIN,REQUIRETLS;VRFY,STARTTLS;"
    run -1 "$MXTLS" probe "$TARGET"
    matches '^    only in TLS   AUTH PLAIN, REQUIRETLS$'
    matches '^    only in clear VRFY$'
}

@test "a session that breaks inside TLS still tells what the handshake showed" {
    local steps
    local -a step
    while read -r steps; do
        IFS=';' read -ra step <<< "$steps"
        serve inside 'send 220 mx' 'ehlo STARTTLS' starttls "${step[@]}"
        probe 1 --timeout 1s "$TARGET"
        row "post-tls-application-error done true TLSv1.3" \
            '.status, .starttls_state, .tls[0].complete, .tls[0].version.name'
        same "$(h '.ehlo_tls | length')" 0
        peer_stop inside
    done <<'ROWS'
expect EHLO;raw 250-mx\r\n250-SIZ;cut
expect EHLO;raw 250-mx\r\n250-SIZ;close
expect EHLO;cut
expect EHLO;stall
expect EHLO;send 421 4.3.2 closing;close
expect EHLO;send nonsense;until-close
ROWS
}

@test "a server that closes instead of answering QUIT has done all that was asked" {
    serve rude 'send 220 mx' 'ehlo STARTTLS' starttls 'ehlo SIZE 1' 'expect QUIT' close
    probe 1 "$TARGET"
    row "success done false" '.status, .starttls_state, .quit'
}

@test "--implicit-tls: TLS from the first byte, no STARTTLS (RFC 8314)" {
    serve implicit tls 'send 220 mx' 'ehlo AUTH PLAIN,SIZE 1' serve
    probe 1 --ca-file "$CERTS/root.crt" --implicit-tls "$TARGET"
    row "success implicit true" '.status, .starttls_state, .implicit_tls'
    same "$(h '(.ehlo | length), (.ehlo_tls | join(","))' | xargs)" "0 AUTH PLAIN,SIZE 1"
    same "$(h '.tls[0].validation.browser_trusted, .quit' | xargs)" "true true"
    serve plain 'send 220 mx' until-close
    probe 2 --implicit-tls --timeout 2s "$TARGET"
    row "handshake-error failed" '.status, .starttls_state'
    # nobody has sent STARTTLS
    has_not STARTTLS
    same "$(q '.summary.reasons[0] | split(": ")[1]')" "the TLS handshake fails"
}

@test "old versions and small keys are reported, not refused (DECISIONS C22)" {
    cert_issue small key=rsa dir="$BATS_TEST_TMPDIR"
    serve old --max-tls 1.2 --ciphers 'AES128-SHA:@SECLEVEL=0' 'send 220 mx' 'ehlo STARTTLS' "expect STARTTLS" \
        'raw 220 go\r\n' "tls $BATS_TEST_TMPDIR/small.pem" serve
    probe 1 "$TARGET"
    host
    same "$(h '.tls[0] | .version.name, .cipher_suite.name' | xargs)" "TLSv1.2 TLS_RSA_WITH_AES_128_CBC_SHA"
    serve oldest --min-tls 1.0 --max-tls 1.0 --ciphers 'ALL:@SECLEVEL=0' 'send 220 mx' 'ehlo STARTTLS' starttls serve
    probe 1 "$TARGET"
    host
    same "$(h '.tls[0].version.name')" TLSv1.0
}

# --- remote text -------------------------------------------------------------------------------------------

@test "NUL, 8-bit and escape sequences of a server reach neither the terminal nor break the JSON" {
    serve hostile 'raw 220 mx\0hidden \x1b[31mred\x1b]0;title\x07 caf\xe9 \xc3\xa9 \xe2\x80\xae\r\n' 'expect EHLO' \
        'raw 250-mx\r\n250-\x1b[2J\xff\0SIZE\r\n250 HELP\r\n' serve
    probe 2 "$TARGET"
    host
    same "$(h .banner)" $'mx?hidden \e[31mred\e]0;title\a café é \xe2\x80\xae'
    same "$(grep -c . <<< "$output")" 1
    if grep -q $'[\x01-\x08\x0b-\x1f\x7f]' <<< "$output"; then assert_fail "raw control bytes" "$output"; fi
    run -2 --separate-stderr "$MXTLS" probe -v "$TARGET"
    if grep -qP '[\x00-\x08\x0b-\x1f\x7f]' <<< "$output$stderr"; then assert_fail "raw control bytes" "$output$stderr"; fi
    has '\x1b[31mred\x1b]0;title\x07'
}

# --- manners --------------------------------------------------------------------------------------------------

@test "nothing is ever sent but EHLO, HELO, STARTTLS and QUIT" {
    serve manners 'send 220 mx' 'ehlo SIZE 1,AUTH PLAIN LOGIN,PIPELINING,STARTTLS' starttls \
        'ehlo AUTH PLAIN LOGIN,PIPELINING,VRFY' serve
    probe 1 "$TARGET"
    peer_wait_line manners 'S1 end'
    same "$(sed -n 's/^S1 C: //p' "$(peer_log manners)" | sed 's/ .*//' | xargs)" "EHLO STARTTLS EHLO QUIT"
    serve clear 'send 220 mx' 'ehlo AUTH PLAIN LOGIN' serve
    probe 2 "$TARGET"
    peer_wait_line clear 'S1 end'
    same "$(sed -n 's/^S1 C: //p' "$(peer_log clear)" | sed 's/ .*//' | xargs)" "EHLO QUIT"
}

@test "we greet with the name of this host, never with the server's or localhost" {
    serve name 'send 220 mx.example ESMTP' 'ehlo SIZE 1' serve
    probe 2 "$TARGET"
    file_has "$(peer_log name)" "C: EHLO client.box.test"
    run -2 unshare --uts sh -c 'hostname nameless; exec "$0" probe --json "$1"' "$MXTLS" "$TARGET"
    file_has "$(peer_log name)" "C: EHLO [192.0.2.1]"
}

# bats test_tags=fibers
@test "addresses are probed at the same time, one address never twice at once" {
    local begun=$SECONDS
    peer_start slow '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 0.0.0.0:2600 'pause 1000' 'send 220 mx' 'ehlo SIZE 1' serve
    printf '[192.0.2.%d]:2600\n' {101..120} > "$BATS_TEST_TMPDIR/list"
    run -0 "$MXTLS" probe --json -f "$BATS_TEST_TMPDIR/list"
    same "$(jq -r .summary.verdict <<< "$output" | sort | uniq -c | xargs)" "20 plaintext"
    ((SECONDS - begun < 8)) || assert_fail "one after the other" "$((SECONDS - begun)) s"
    begun=$SECONDS
    run -2 "$MXTLS" probe --json '[192.0.2.101]:2600' '[192.0.2.101]:2600' '[192.0.2.101]:2600'
    ((SECONDS - begun >= 2)) || assert_fail "at the same time" "$((SECONDS - begun)) s"
}

# bats test_tags=fibers
@test "JSON comes as targets are finished, text in their order" {
    serve late 'pause 1500' 'send 220 mx' 'ehlo SIZE 1' serve
    local late=$TARGET
    run -2 "$MXTLS" probe --json "$late" '[192.0.2.31]:9'
    same "$(jq -r .domain <<< "$output" | xargs)" "[192.0.2.31]:9 $late"
    run -2 "$MXTLS" probe "$late" '[192.0.2.31]:9'
    same "$(grep -oE '^[^ ]+: (plaintext|unknown)' <<< "$output" | xargs)" "$late: plaintext [192.0.2.31]:9: unknown"
}

@test "Ctrl-C: what is finished is written, what is not ends at once, status 130" {
    local pid status=0 begun out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
    serve fast 'send 220 mx' 'ehlo SIZE 1' serve
    local fast=$TARGET
    serve stuck 'send 220 mx' stall
    "$MXTLS" probe --json "$fast" "$TARGET" > "$out" 2> "$err" 3>&- &
    pid=$!
    wait_for_line "$out" plaintext
    peer_wait_line stuck 'S1 S: 220'
    begun=$SECONDS
    kill -INT "$pid"
    wait "$pid" || status=$?
    same "$status" 130
    ((SECONDS - begun < 5)) || assert_fail "too slow" "$((SECONDS - begun)) s"
    same "$(wc -l < "$out")" 1
    file_has "$err" "interrupted: 1 target done"
    file_has_not "$err" ERROR
}
