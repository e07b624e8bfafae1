# The whole matrix of mxtls-policy(5): each level against each way in which an MX host can offer, refuse,
# break or spoil STARTTLS. Judged by what was on the wire, as a scripted server that shares no code with
# mxtls wrote it down, and by the exit status.
load lib/rig
load lib/send

LEVELS=(none now delayed never encrypt verify secure pin auto dane dane-only)

setup_file() {
    certs_make
    cert_issue mx san=DNS:mx.box.test,DNS:mail.secure.test
    cert_issue mx-expired san=DNS:mx.box.test from=-91d to=-1d
    cert_issue mx-notyet san=DNS:mx.box.test from=+30d to=+60d
    cert_issue mx-selfsigned san=DNS:mx.box.test issuer=self
    cert_issue mx-incomplete san=DNS:mx.box.test chain=leaf
    message_make
    local level
    {
        for level in "${LEVELS[@]}"; do echo "$level.test. MX 10 mx.box.test."; done
        echo 'mx.box.test. A 192.0.2.30'
    } | dns_start
    cat > "$BATS_FILE_TMPDIR/policy" << POLICY
group g-none    none.test
group g-now     now.test
group g-delayed delayed.test
group g-never   never.test
group g-encrypt encrypt.test
group g-verify  verify.test
group g-secure  secure.test
group g-pin     pin.test
group g-auto    auto.test
group g-dane    dane.test
group g-dane-only dane-only.test

policy g-none    none
policy g-now     may      fallback=now
policy g-delayed may      fallback=delayed
policy g-never   may      fallback=never
policy g-encrypt encrypt
policy g-verify  verify
policy g-secure  secure
policy g-pin     fingerprint sha256=$(cert_fingerprint "$CERTS/mx.crt")
policy g-auto    auto
policy g-dane    dane
policy g-dane-only dane-only
default          verify
POLICY
}

# cells NAME "WANTED..." [OPTION...]: send at every level at once; WANTED has one word a level (in the order of
# LEVELS): an outcome, with "+" between those of several connections.
cells() {
    local name=$1 level want got status bad='' i=0 work=$BATS_TEST_TMPDIR/$1
    local -a wanted pids=()
    read -ra wanted <<< "$2"
    shift 2
    mkdir -p "$work"
    for level in "${LEVELS[@]}"; do
        (
            status=0
            "$MXTLS" send --no-queue --json --timeout 20s --ca-file "$CERTS/root.crt" --policy "$BATS_FILE_TMPDIR/policy" \
                --port "$(peer_field "$name" '^ready' 2)" --helo "$level.box.test" "$@" -f alice@client.box.test "bob@$level.test" \
                < "$MESSAGE" > "$work/$level.out" 2> "$work/$level.err" 3>&- || status=$?
            echo "$status" > "$work/$level.status"
        ) &
        pids+=($!)
    done
    wait "${pids[@]}"
    sessions "$name" > /dev/null || return
    for level in "${LEVELS[@]}"; do
        want=${wanted[i++]}
        got=$(outcome "$name" "$level")
        status=$(cat "$work/$level.status")
        # delivered is what was on the wire, nothing else, and only that is status 0
        if [ "${got// /+}" != "${want/#-/}" ] ||
            { [[ $want == *[PTp] ]] && [ "$status" != 0 ]; } ||
            { [[ $want == *[X-] ]] && [ "$status" != 75 ]; } ||
            [ "$(jq -r .rule "$work/$level.out" | sed 's/.*group //')" != "g-$level)" ]; then
            bad+="$name x $level: wanted $want, was ${got:-no session}, status $status: $(cat "$work/$level.out" "$work/$level.err")"$'\n'
        fi
    done
    peer_stop "$name"
    [ -z "$bad" ] || assert_fail "$bad" "$(cat "$(peer_log "$name")")"
}

# peer NAME CERTIFICATE STEP...: the server, on a port of its own.
peer() {
    local name=$1 cert=$2
    shift 2
    peer_start "$name" '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.30:0 \
        --cert "$CERTS/$cert.pem" "$@"
}

# column NAME "WANTED..." STEP...: against a server with this script.
column() {
    local name=$1 words=$2
    shift 2
    peer "$name" mx "$@"
    cells "$name" "$words"
}

# D: dane-only, which goes nowhere without TLSA records that were validated (tests/send_dane.bats has some)
#                                                        none now delayed never encrypt verify secure pin auto dane D

@test "STARTTLS is not offered, or its keyword is masked: clear at none and may (RFC 3207 s4)" {
    column not-offered                                  "P  P   P  P  X  X  X  X  P  P  -" \
        'send 220 mx' 'serve ehlo=SIZE 1000000;8BITMIME'
    column masked                                       "P  P   P  P  X  X  X  X  P  P  -" \
        'send 220 mx' 'serve ehlo=XXXXXXXA;SIZE 1000000'
    column part-of-a-word                               "P  P   P  P  X  X  X  X  P  P  -" \
        'send 220 mx' 'serve ehlo=XSTARTTLS;STARTTLSX;AUTH STARTTLS'
}

@test "EHLO is not known, HELO is: nothing is offered (DECISIONS C18)" {
    local code
    for code in 500 502 504 550; do
        column "ehlo-$code"                             "P  P   P  P  X  X  X  X  P  P  -" \
            'send 220 mx' 'expect EHLO' "send $code no" 'serve'
    done
}

@test "EHLO and HELO refused, or the greeting: nobody gets the message" {
    column ehlo-helo-502                                "X  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'expect EHLO' 'send 502 no' 'expect HELO' 'send 502 no' 'serve'
    column ehlo-450                                     "X  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'expect EHLO' 'send 450 no' 'serve'
    column ehlo-421                                     "X  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'expect EHLO' 'send 421 no' 'close'
    column ehlo-cut                                     "X  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'expect EHLO' 'raw 250-mx\r\n250-STA' 'close'
}

@test "STARTTLS refused by any code but 220: clear on the same connection at may, not at fallback=never" {
    local code
    for code in 221 250 354 454 500 501 530 554; do
        column "starttls-$code"                         "P  p   p  X  X  X  X  X  p  p  -" \
            'send 220 mx' "serve ehlo=STARTTLS,starttls=$code 4.7.0 no"
    done
}

@test "421 to STARTTLS, or the connection closed instead of an answer: the host is skipped (DECISIONS E33)" {
    column starttls-421                                 "P  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=421 4.3.2 bye'
    column starttls-close                               "P  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=cut'
    column starttls-reset                               "P  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'reset'
    column starttls-half-a-reply                        "P  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'raw 220 go ah' 'close'
}

@test "the handshake fails: a new connection in clear at fallback=now only" {
    column garbage                                      "P  X+P X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'raw this is not TLS at all' 'until-close'
    column close-after-220                              "P  X+P X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'close'
    column reset-after-220                              "P  X+P X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'reset'
    column no-common-version                            "P  X+P X  X  X  X  X  X  X  X  -" \
        --ciphers 'ALL:@SECLEVEL=0' --max-tls 1.2 'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' \
        'recv 5' 'raw \x15\x03\x03\x00\x02\x02\x28' 'until-close'
}

@test "the handshake stalls: as one that failed, when --timeout is over" {
    peer stall mx 'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'stall'
    cells stall                                         "P  X+P X  X  X  X  X  X  X  X  -" --timeout 4s
}

@test "bytes behind the 220: skipped whatever the level, and nothing else is said (CVE-2021-38371)" {
    column injection                                    "P  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'raw 220 go\r\n250 injected\r\n' 'until-close'
    column injection-without-end                        "P  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'raw 220 go\r\n250-EVIL' 'until-close'
}

@test "bytes behind the 220 that come later spoil the handshake: none of them is taken for a reply" {
    column injection-late                               "P  X+P X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'raw 220 go\r\n' 'recv 5' 'raw 250 late\r\n' 'until-close'
}

@test "the certificate proves nothing: TLS all the same, but not at verify" {
    local kind
    for kind in expired notyet selfsigned incomplete; do
        peer "$kind" "mx-$kind" 'send 220 mx' 'serve ehlo=STARTTLS'
        cells "$kind"                                   "P  T   T  T  T  X  X  X  T  T  -"
    done
    peer wrongname wrongname 'send 220 mx' 'serve ehlo=STARTTLS'
    cells wrongname                                     "P  T   T  T  T  X  X  X  T  T  -"
    peer untrusted mx 'send 220 mx' 'serve ehlo=STARTTLS'
    cells untrusted                                     "P  T   T  T  T  X  X  T  T  T  -" \
        --ca-file "$CERTS/stranger.crt"
}

@test "the certificate is good: TLS everywhere but at none, which never asks" {
    column good                                         "P  T   T  T  T  T  T  T  T  T  -" \
        'send 220 mx' 'serve ehlo=STARTTLS;SIZE 100000;8BITMIME'
    file_has "$(peer_log good)" "sni=mx.box.test"
    column only-tls-1.2                                 "P  T   T  T  T  T  T  T  T  T  -" \
        --max-tls 1.2 'send 220 mx' 'serve ehlo=starttls'
}

@test "TLS 1.0 is better than clear text, but not good enough for verify" {
    column tls-1.0                                      "P  T   T  T  T  X  X  X  T  T  -" \
        --min-tls 1.0 --max-tls 1.0 --ciphers 'ALL:@SECLEVEL=0' 'send 220 mx' 'serve ehlo=STARTTLS'
}

@test "trouble after the handshake never leads back to clear text" {
    column ehlo-in-tls-refused                          "P  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'tls' 'expect EHLO' 'send 554 no' 'serve'
    column cut-in-tls                                   "P  X   X  X  X  X  X  X  X  X  -" \
        'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'tls' 'expect EHLO' 'cut'
}

@test "what EHLO said in clear does not count inside TLS (RFC 3207 s4.2)" {
    column forgotten                                    "P  T   T  T  T  T  T  T  T  T  -" \
        'send 220 mx' 'serve ehlo=STARTTLS;SIZE 10000,tls-ehlo=8BITMIME'
    same "$(grep -c 'MAIL FROM:<alice@client.box.test> SIZE=' "$(peer_log forgotten)")" 1
}
