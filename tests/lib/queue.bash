# shellcheck shell=bash
# A queue for each test, and what is in it. Needs lib/send.
#
#   put bob@d30.test carl@d31.test     # into the queue, untried; its id in ID
#   queue 0 run                        # mxtls queue run; its exit status must be 0
#   same "$(queued)" 1                 # messages in it
#   same "$(q .recipients[0].status)" pending
#   mxtls_at +5h queue run             # at another time

# Domains d30.test to d69.test, each with a host of its own at 192.0.2.30 to .69; senders live at the last.
queue_zone() {
    local i
    for i in {30..69}; do echo "h$i.box.test. A 192.0.2.$i" && echo "d$i.test. MX 10 h$i.box.test."; done
    echo 'client.test. MX 10 h69.box.test.'
}

queue_new() {
    Q=$BATS_TEST_TMPDIR/queue
    export Q
}

put() {
    run -0 --separate-stderr "$MXTLS" send --delivery queue --queue "$Q" -f alice@client.test "$@" < "$MESSAGE"
    ID=${output%%:*}
    export ID
}

# Without --separate-stderr, so that complaints are seen.
queue() {
    local want=$1
    shift
    run "-$want" timeout 60 "$MXTLS" queue "$@" --queue "$Q" --timeout 5s --ca-file "$CERTS/root.crt"
}

at() {
    local when=$1
    shift
    MXTLS_NOW=$when "$@"
}

queued() {
    find "$Q/q" -type f | wc -l
}

journals() {
    find "$Q/j" -type f | wc -l
}

# jq on the first message, or on the one with that id.
q() {
    "$MXTLS" queue list --json --queue "$Q" | head -n 1 | jq -r "$1"
}

of() {
    "$MXTLS" queue show --json --queue "$Q" "$1" | jq -r "$2"
}

# The message that is the report, as mail: its id.
report_id() {
    "$MXTLS" queue list --json --queue "$Q" | jq -r 'select(.sender == "") | .id'
}

# rcpts NAME: all RCPT that a peer has seen, sorted.
rcpts() {
    sessions "$1" > /dev/null
    sed -nE 's/^S[0-9]+ C: RCPT TO:<([^>]*)>.*/\1/p' "$(peer_log "$1")" | sort | xargs
}
# taken NAME: how many texts it took.
taken() {
    sessions "$1" > /dev/null
    grep -cE '^S[0-9]+ data [0-9]+$' "$(peer_log "$1")" || true
}
