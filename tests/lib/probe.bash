# shellcheck shell=bash disable=SC2154 # output is set by run
# Probes and what their records say.
#
#   probe 0 --ca-file "$CERTS/root.crt" example.test     # --json; its exit status must be 0
#   same "$(q .summary.verdict)" pkix                    # jq on the record, raw
#   host; same "$(h .starttls_state)" "done"             # jq on the first address of the first MX
#   serve bad 'send 220 mx' ...                          # a scripted server (peers/smtp_peer.py) ...
#   probe 3 "$TARGET"                                    # ... and its address and port

probe() {
    local want=$1
    shift
    run "-$want" --separate-stderr "$MXTLS" probe --json "$@"
}

q() {
    jq -r "$1" <<< "$output" || assert_fail "no JSON" "$output"
}

host() {
    HOST=$(q '.exchanges[0].hosts[0]')
}

h() {
    jq -r "$1" <<< "$HOST"
}

# serve NAME STEP...: on 192.0.2.30 and a port of its own, with the good ECDSA certificate.
serve() {
    local name=$1
    shift
    peer_start "$name" '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.30:0 \
        --cert "$CERTS/ecdsa.pem" "$@"
    TARGET="192.0.2.30:$(peer_field "$name" '^ready' 2)"
    export TARGET
}
