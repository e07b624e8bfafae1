# shellcheck shell=bash
# shellcheck disable=SC2154 # output and lines are set by run
# Deliveries, what they said, and what was on the wire.
#
#   send 0 -f a@client.box.test bob@example.test     # $MESSAGE on stdin; its exit status must be 0
#   same "$(r .status)" delivered                    # jq on the JSON line of the first recipient
#   same "$(to bob@example.test .exit_status)" 67    # ... of that one
#   mx good 30 [OPTION...] STEP...                   # scripted server at 192.0.2.30:25, certificate *.box.test
#   same "$(wire good 1)" "EHLO STARTTLS tls EHLO MAIL RCPT DATA text QUIT"     # its first session
#
# `send` asks for JSON; `mxtls_send` is the same with the words as they stand.

MESSAGE=${MESSAGE:-$BATS_FILE_TMPDIR/message}
export MESSAGE

message_make() {
    printf '%s\n' 'From: alice@client.box.test' 'To: bob@example.test' 'Subject: hello' \
        'Date: Mon, 23 Nov 2026 10:00:00 +0000' 'Message-ID: <1@client.box.test>' '' 'Hello Bob.' > "$MESSAGE"
}

# A zone in which mail to example.test goes to a server at 192.0.2.45, and this host has its name.
example_zone() {
    postfix_zone
    cat << 'ZONE'
h45.box.test.   A 192.0.2.45
example.test.   MX 10 h45.box.test.
client.box.test. A 192.0.2.1
ZONE
}

mxtls_send() {
    local want=$1
    shift
    run "-$want" --separate-stderr "$MXTLS" send --no-queue --timeout 20s "$@" < "$MESSAGE"
}

send() {
    local want=$1
    shift
    mxtls_send "$want" --json --ca-file "$CERTS/root.crt" "$@"
}

r() {
    jq -r "$1" <<< "${lines[0]}" || assert_fail "no JSON" "$output"
}

to() {
    jq -r "select(.recipient == \"$1\") | $2" <<< "$output" || assert_fail "no JSON" "$output"
}

mx() {
    local name=$1 at=192.0.2.$2
    if [[ $2 == *:* ]]; then at=[$2]; fi
    shift 2
    peer_start "$name" '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen "$at:25" \
        --cert "$CERTS/wildcard.pem" "$@"
}

# end_of PID: its exit status in ENDED; killed after 30 s.
end_of() {
    timeout 30 tail --pid="$1" -s 0.1 -f /dev/null || kill -s KILL "$1"
    ENDED=0
    wait "$1" || ENDED=$?
    export ENDED
}

# wire NAME N: commands of session N, in order: "tls" is the handshake, "text" a message.
wire() {
    peer_wait_line "$1" "^S$2 end" > /dev/null || return
    sed -nE "s/^S$2 C: ([A-Za-z]+).*/\1/p; s/^S$2 tls TLS.*/tls/p; s/^S$2 data [0-9]+\$/text/p" "$(peer_log "$1")" | xargs
}

# sessions NAME: how many there were, once all are over.
sessions() {
    local seen ended
    for _ in $(seq 100); do
        seen=$(grep -oE '^S[0-9]+' "$(peer_log "$1")" | sort -u | wc -l)
        ended=$(grep -cE '^S[0-9]+ end' "$(peer_log "$1")")
        if [ "$seen" = "$ended" ]; then
            echo "$seen"
            return
        fi
        read -rt 0.1 <> <(:) || true
    done
    assert_fail "sessions of $1 do not end" "$(cat "$(peer_log "$1")")"
}

# What a session was, by its log: P the message in clear, T over TLS, X not sent at all.
# outcome NAME LEVEL: of all sessions that greeted as LEVEL.box.test, in order: "X P".
outcome() {
    awk -v who="EHLO $2.box.test" -v helo="HELO $2.box.test" '
        /^S[0-9]+ / { s = $1 }
        $2 == "tls" { tls[s] = 1 }
        $0 == s " C: " who || $0 == s " C: " helo { if (!(s in mine)) { mine[s] = 1; order[++n] = s } }
        $2 == "C:" && toupper($3) == "STARTTLS" { asked[s] = 1 }
        $2 == "C:" && toupper($3) == "MAIL" { mail[s] = (tls[s] ? "T" : "P") }
        $2 == "data" { text[s] = (tls[s] ? "T" : "P") }
        END {
            for (i = 1; i <= n; i++) {
                s = order[i]
                word = "X"; if (s in mail) word = "mail-" mail[s]; if (s in text) word = text[s]
                # P is "in clear without having asked"; p "in clear after STARTTLS was refused here"
                if (word == "P" && asked[s]) word = "p"
                printf "%s%s", (i > 1 ? " " : ""), word
            }
        }' "$(peer_log "$1")"
}
