# --check-injection (CVE-2011-0411), against a server that has the mistake on purpose, its many relatives
# that do not, and real ones.
load lib/rig
load lib/probe

setup_file() {
    certs_make
    dns_start < <(postfix_zone)
    postfix_start rsa notls
}

injection_peer() {
    peer_start "$1" '^ready' "$ROOT/tests/peers/injection_peer.py" --listen 192.0.2.50:0 \
        --cert "$CERTS/ecdsa.pem" --mode "$1"
    TARGET="192.0.2.50:$(peer_field "$1" '^ready' 2)"
}

# check TARGET [OPTION...]
check() {
    local target=$1
    shift
    run --separate-stderr "$MXTLS" probe --json -4 --key-types=any --pace 0s --timeout 5s --check-injection "$@" "$target"
    host
}

@test "a server that obeys commands sent in clear behind STARTTLS is vulnerable" {
    injection_peer vulnerable
    check "$TARGET"
    same "$(h .injection)" vulnerable
    same "$(h .injection_reason)" \
        "a command sent in clear was answered inside TLS: 502 5.5.2 not known"
    # what the server saw: the ordinary session, the control, the attack
    file_has "$(peer_log vulnerable)" "S3 T: XMXTLS"
    file_has_not "$(peer_log vulnerable)" "S2 T: XMXTLS"
    file_has_not "$(peer_log vulnerable)" ": MAIL"
    file_has_not "$(peer_log vulnerable)" ": RCPT"
    file_has_not "$(peer_log vulnerable)" ": AUTH"
    if grep -q '^S4' "$(peer_log vulnerable)"; then assert_fail "too many connections" "$(cat "$(peer_log vulnerable)")"; fi
    # it is a reason, and decides the exit status, but no verdict is about that
    same "$(q '.summary.verdict, .summary.exit_status' | xargs)" "encrypted 2"
    run -2 --separate-stderr "$MXTLS" probe --key-types=any --pace 0s --check-injection --require encrypted "$TARGET"
    matches '^  - \[192\.0\.2\.50\]:[0-9]+: obeys, inside TLS, commands sent in clear before it'
    has "injection     vulnerable: a command sent in clear was answered inside TLS"
    has "  > update the mail server"
    [[ $stderr == *"--check-injection opens 2 connections to each address"* ]] || assert_fail "announced" "$stderr"
}

@test "an answer that comes late is still seen: EHLO is answered out of step" {
    injection_peer late
    check "$TARGET"
    same "$(h '.injection, .injection_reason' | paste -sd ' ')" \
        "vulnerable a command sent in clear was answered inside TLS, late: 502 5.5.2 not known"
}

@test "servers that drop it, refuse it, or choke on it are safe" {
    local mode reason
    while read -r mode reason; do
        injection_peer "$mode"
        check "$TARGET"
        same "$mode $(h .injection) $(h .injection_reason)" "$mode safe $reason"
        file_has_not "$(peer_log "$mode")" "T: XMXTLS"
    done <<'ROWS'
discard a command sent in clear was dropped
reject STARTTLS with a command behind it was refused: 554 5.5.0 data behind STARTTLS
feed with a command in clear behind STARTTLS there is no handshake
clear a command sent in clear was answered in clear, before the handshake
ROWS
}

@test "any 250 inside TLS is no proof, and neither is a refusal for now: inconclusive" {
    local mode reason
    while read -r mode reason; do
        injection_peer "$mode"
        check "$TARGET"
        same "$mode $(h .injection)" "$mode inconclusive"
        [[ $(h .injection_reason) == *"$reason"* ]] || assert_fail "$mode: $reason" "$(h .injection_reason)"
    done <<'ROWS'
talker talks inside TLS without being asked: 250 ok
greeter talks inside TLS without being asked: 220
some250 a reply inside TLS that is none to our command: 250 ok
tempfail was refused: 454 4.7.0 not now
hangup closed
ROWS
}

@test "without STARTTLS nothing is tested" {
    injection_peer no-tls
    check "$TARGET"
    same "$(h '.injection, .injection_reason' | paste -sd ' ')" "not_tested null"
    if grep -q '^S2' "$(peer_log no-tls)"; then assert_fail "connected again" "$(cat "$(peer_log no-tls)")"; fi
    check '[notls.box.test]'
    same "$(h .injection)" not_tested
    # and without the option not either
    run --separate-stderr "$MXTLS" probe --json -4 '[rsa.box.test]'
    same "$(q '.exchanges[0].hosts[0].injection')" not_tested
}

@test "real Postfix is safe" {
    check '[rsa.box.test]'
    same "$(h '.injection, .injection_reason' | paste -sd ' ')" "safe a command sent in clear was dropped"
}

@test "mxtls listen is safe: 554 and no 220 (RFC 3207 s4.2)" {
    peer_start listen '^listening on ' "$MXTLS" listen --accept ok.test --deliver discard \
        --cert "$CERTS/ecdsa.chain" --key "$CERTS/ecdsa.key" 192.0.2.60:25
    check 192.0.2.60
    same "$(h .injection)" safe
    [[ $(h .injection_reason) == *"refused: 554 5.5.0"* ]] || assert_fail reason "$(h .injection_reason)"
}

@test "lists, and more than ten targets, are refused before anything is sent" {
    echo 192.0.2.11 > "$BATS_TEST_TMPDIR/list"
    run -64 "$MXTLS" probe --check-injection -f "$BATS_TEST_TMPDIR/list"
    has "option --check-injection is for targets of the command line"
    # shellcheck disable=SC2046 # words
    run -64 "$MXTLS" probe --check-injection $(seq -f '192.0.2.200:%g' 1 11)
    has "option --check-injection is for at most 10 targets, not 11"
    # shellcheck disable=SC2046 # words
    run -64 "$MXTLS" probe --check-injection --enum=all $(seq -f '192.0.2.200:%g' 1 11)
    has "option --check-injection is for at most 10 targets, not 11"
}
