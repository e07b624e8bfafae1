# The queue: store, try, keep; the runner; reports; and what can be done by hand.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send
load lib/queue

setup_file() {
    certs_make
    message_make
    {
        queue_zone
        echo 'null.test. MX 0 .'
    } | dns_start
    # where the senders of reports live
    mx home 69 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve'
}

setup() {
    queue_new
}

@test "what is delivered leaves nothing behind, neither message nor journal" {
    mx good 30 'send 220 mx' 'serve'
    put bob@d30.test
    same "$(queued)" 1
    queue 0 run
    same "$output" ""
    same "$(queued) $(journals) $(rcpts good)" "0 0 bob@d30.test"
    same "$(find "$Q/tmp" "$Q/dest" "$Q/corrupt" -type f | wc -l)" 0
}

@test "the text arrives as it was given, dots, no last newline, CR LF" {
    mx text 31 --spool "$BATS_TEST_TMPDIR" 'send 220 mx' 'serve'
    printf 'From: a@client.test\r\nSubject: x\r\nDate: x\r\nMessage-ID: <x@y>\r\n\r\n.\r\n..two\r\nlast' > "$BATS_TEST_TMPDIR/m"
    MESSAGE=$BATS_TEST_TMPDIR/m put -i bob@d31.test
    queue 0 run
    same "$(taken text)" 1
    printf 'From: a@client.test\r\nSubject: x\r\nDate: x\r\nMessage-ID: <x@y>\r\n\r\n..\r\n...two\r\nlast\r\n' |
        cmp - "$BATS_TEST_TMPDIR/S1.1"
}

@test "send stores, tries in the background, and returns at once with 0 (-odb)" {
    mx slow 32 'pause 1500' 'send 220 mx' 'serve'
    local start=$EPOCHREALTIME
    run -0 --separate-stderr "$MXTLS" send --queue "$Q" -f alice@client.test bob@d32.test < "$MESSAGE"
    matches '^[0-9a-z]{16}: queued$'
    [ "$(bc <<< "$EPOCHREALTIME - $start < 1.2")" = 1 ] || assert_fail "too slow" "$start"
    peer_wait_line slow 'S1 end'
    same "$(rcpts slow)" bob@d32.test
    for _ in $(seq 50); do [ "$(queued)" = 0 ] && break; read -rt 0.1 <> <(:) || true; done
    same "$(queued)" 0
}

@test "the background holds no descriptor of the caller" {
    mx tarpit 33 'stall'
    # cat ends when the last writer of the pipe is gone
    run -0 timeout 5 bash -c '"$MXTLS" send --queue "$Q" -f alice@client.test bob@d33.test < "$MESSAGE" 2>&1 | cat'
    matches 'queued$'
    peer_stop tarpit
}

@test "what cannot be delivered now is kept, with the reason, and status 0" {
    run -0 --separate-stderr "$MXTLS" send --delivery now --queue "$Q" -f alice@client.test bob@d34.test < "$MESSAGE"
    [[ $stderr == *"kept in the queue as "* ]] || assert_fail "kept" "$stderr"
    same "$(queued)" 1
    same "$(q '.recipients[0] | .status, .tries, .exchange' | xargs)" "pending 1 h34.box.test"
    [[ $(q '.recipients[0].reason') == *refused* ]]
    # not due: nobody tries it
    queue 0 run
    same "$(q '.recipients[0].tries')" 1
    mx later 34 'send 220 mx' 'serve'
    queue 0 run
    same "$(queued)" 1
    at +6m queue 0 run
    same "$(queued) $(rcpts later)" "0 bob@d34.test"
}

@test "-odi: permanent failures have their status and a report; -oep no report, -oee status 0 (E31)" {
    mx nobody 35 'send 220 mx' 'serve rcpt=550 5.1.1 who'
    local how status reports
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    ln -s "$MXTLS" "$BATS_TEST_TMPDIR/bin/sendmail"
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    Q=$XDG_STATE_HOME/mxtls/queue
    # the home of the sender is away, so that reports stay to be counted
    while read -r how status reports; do
        rm -rf "$XDG_STATE_HOME"
        run "-$status" "$BATS_TEST_TMPDIR/bin/sendmail" -odi "$how" -f alice@d36.test bob@d35.test < "$MESSAGE"
        same "$how $(queued)" "$how $reports"
    done << 'ROWS'
-oem 67 1
-oep 67 0
-oeq 67 0
-oee 0 1
ROWS
}

@test "a recipient that is refused fails alone; the sender gets one report with status, reason and header (RFC 3464)" {
    mx mixed 37 'send 220 mx' 'serve rcpt:carl=550 5.1.1 no Carl here' 'session' 'send 220 mx' 'serve rcpt:carl=550 5.1.1 no Carl here'
    local before
    before=$(taken home)
    put bob@d37.test carl@d37.test dora@d37.test
    queue 0 run
    same "$(queued) $(journals)" "0 0"
    same "$(taken home)" $((before + 1))
    local report
    report=$(tr -d '\r' < "$(find "$BATS_FILE_TMPDIR" -name 'S*.1' | sort -V | tail -n 1)")
    output=$report
    has 'To: <alice@client.test>'
    has 'Content-Type: multipart/report; report-type=delivery-status;'
    has 'Auto-Submitted: auto-replied'
    has 'Final-Recipient: rfc822; carl@d37.test'
    has 'Action: failed'
    has 'Status: 5.1.1'
    has 'Remote-MTA: dns; h37.box.test'
    has 'Diagnostic-Code: smtp; 550 5.1.1 no Carl here'
    has 'Subject: hello'
    has_not 'Hello Bob.'
    has_not 'bob@d37.test'
    has_not 'dora@d37.test'
    # an independent reader
    python3 - "$(find "$BATS_FILE_TMPDIR" -name 'S*.1' | sort -V | tail -n 1)" << 'PY'
import email, email.policy, sys
m = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
assert m.get_content_type() == "multipart/report", m.get_content_type()
parts = [p.get_content_type() for p in m.iter_parts()]
assert parts == ["text/plain", "message/delivery-status", "text/rfc822-headers"], parts
status = list(m.iter_parts())[1].get_payload()
assert len(status) == 2 and status[1]["Action"] == "failed", status
assert not m.defects
PY
}

@test "recipients of several destinations end differently, and each is tried by itself" {
    mx up 38 'send 220 mx' 'serve'
    mx greylist 39 'send 220 mx' 'serve rcpt=450 4.7.1 later'
    put a@d38.test b@d39.test c@d40.test
    queue 0 run
    same "$(queued) $(journals)" "1 1"
    same "$(q '.recipients[].status' | xargs)" "delivered pending pending"
    same "$(q '.recipients[].reason' | head -n 2 | tail -n 1)" "450 4.7.1 later"
    peer_stop greylist
    mx greylist2 39 'send 220 mx' 'serve'
    mx up2 40 'send 220 mx' 'serve'
    at +1h queue 0 run
    same "$(queued) $(journals)" "0 0"
    same "$(rcpts up) $(rcpts greylist2) $(rcpts up2)" "a@d38.test b@d39.test c@d40.test"
}

# peak_of COMMAND...: its peak of resident memory in KiB, in PEAK.
peak_of() {
    "$(dirname "$MXTLS")/tests/bench/peak" "$BATS_TEST_TMPDIR/peak" "$@"
    PEAK=$(cat "$BATS_TEST_TMPDIR/peak")
}

@test "a message of 60 MB is stored and delivered in the memory of a small one" {
    local mb small=() what
    mx huge 68 'send 220 mx' 'serve'
    for mb in 1 60; do
        { cat "$MESSAGE" && head -c "${mb}M" /dev/zero | tr '\0' x | fold -w 900; } > "$BATS_TEST_TMPDIR/big"
        peak_of "$MXTLS" send --delivery queue --queue "$Q" -f alice@client.test a@d68.test < "$BATS_TEST_TMPDIR/big"
        small+=("$PEAK")
        peak_of "$MXTLS" queue run --queue "$Q" --timeout 60s
        small+=("$PEAK")
        same "$(queued)" 0
    done
    same "$(taken huge)" 2
    for what in 0 1; do ((small[what + 2] < small[what] + 25600)) || assert_fail "memory, KiB" "${small[*]}"; done
}

@test "20 runners at once, and no duplicate" {
    local i pids=()
    mx many 41 'send 220 mx' 'serve'
    mx many2 42 'send 220 mx' 'serve'
    for i in {1..30}; do put "u$i@d41.test" "v$i@d42.test"; done
    for i in {1..20}; do
        "$MXTLS" queue run --all --queue "$Q" --timeout 20s 3>&- &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i"; done
    # a runner that came while another was handing out has returned at once
    queue 0 run --all
    same "$(queued)" 0
    same "$(rcpts many)" "$(printf 'u%s@d41.test\n' {1..30} | sort | xargs)"
    same "$(rcpts many2)" "$(printf 'v%s@d42.test\n' {1..30} | sort | xargs)"
}

# bats test_tags=fibers
@test "one destination that hangs holds up no other" {
    mx hang 43 'stall'
    mx fine 44 'send 220 mx' 'serve'
    put a@d43.test
    put b@d43.test
    put c@d44.test
    "$MXTLS" queue run --queue "$Q" --timeout 8s 3>&- &
    local runner=$!
    peer_wait_line fine 'S1 end' 5
    # nor those that come now: another runner serves them
    put d@d44.test
    queue 0 run
    same "$(rcpts fine)" "c@d44.test d@d44.test"
    end_of "$runner"
    same "$ENDED" 0
    # the second one was not tried at all, and waits with the first
    same "$(grep -c '^S[0-9]* end' "$(peer_log hang)")" 1
    same "$(queued)" 2
    same "$("$MXTLS" queue list --json --queue "$Q" | jq -r '.recipients[0].tries' | xargs)" "1 0"
    [[ $("$MXTLS" queue list --queue "$Q" | grep -c 'again in') == 2 ]]
    peer_stop hang
}

@test "back-off: a destination that does not answer is tried after 5, 10, 20 minutes, more or less" {
    put a@d45.test
    local minutes
    queue 0 run
    for minutes in 4 6 12 20 40 75; do
        at "+${minutes}m" queue 0 run
    done
    # at 0, 6, 20, 40 and 75: not at 4 nor at 12 minutes
    [[ $(q '.recipients[0].tries') =~ ^[45]$ ]] || assert_fail "tries" "$(q .)"
}

@test "a notice of the delay after four hours, once; the end after five days, with a report" {
    local before
    before=$(taken home)
    put a@d46.test
    queue 0 run
    at +5h queue 0 run
    same "$(taken home)" $((before + 1))
    at +9h queue 0 run
    same "$(taken home)" $((before + 1))
    same "$(queued)" 1
    at +5d queue 0 run --all
    same "$(queued)" 0
    same "$(taken home)" $((before + 2))
    output=$(tr -d '\r' < "$(find "$BATS_FILE_TMPDIR" -name 'S*.1' | sort -V | tail -n 1)")
    has 'Status: 4.4.7'
    has 'not delivered within 5 days'
}

@test "hold, release, remove, show; a message that is being delivered is not removed" {
    mx held 47 'send 220 mx' 'serve'
    put a@d47.test
    queue 0 hold "$ID"
    queue 0 run --all
    same "$(queued) $(q .held)" "1 true"
    queue 0 list
    has "held"
    queue 0 show "$ID"
    has "Subject: hello"
    queue 0 release "$ID"
    queue 0 run
    same "$(queued)" 0
    queue 66 show "$ID"
    has "no message"
    queue 66 remove "$ID"
    queue 64 remove
    has "which messages?"
    queue 64 hold ../../etc/passwd
    put a@d48.test
    put b@d48.test
    queue 0 remove --to b@d48
    same "$(queued) $(q '.recipients[0].recipient')" "1 a@d48.test"
    mx busy 48 'stall'
    "$MXTLS" queue run --queue "$Q" --timeout 20s 3>&- &
    local runner=$!
    peer_wait_line busy 'S1' || true
    for _ in $(seq 50); do [ "$(q .active)" = true ] && break; read -rt 0.1 <> <(:) || true; done
    queue 75 remove --all
    has "being delivered now"
    kill "$runner"
    end_of "$runner"
    queue 0 remove --all
    same "$(queued)" 0
    peer_stop busy
}

@test "JSON of run, hold, release and remove: an object for each recipient or message, and nothing else" {
    mx taker 61 'send 220 mx' 'serve rcpt:no@=550 5.1.1 who'
    put yes@d61.test no@d61.test
    queue 0 hold --json "$ID"
    same "$output" "{\"id\":\"$ID\",\"action\":\"hold\",\"error\":null}"
    queue 0 release --all --json
    same "$(jq -r .action <<< "$output")" release
    queue 0 run --json
    same "$(jq -r "select(.id == \"$ID\") | .recipient, .status" <<< "$output" | xargs -n 2 | sort | xargs)" "no@d61.test failed yes@d61.test delivered"
    put a@d62.test
    queue 0 remove --json "$ID"
    same "$(jq -r .action <<< "$output") $(of "$ID" .id)" "remove "
    queue 64 list --nagios
    has "of check only"
}

@test "list of an empty queue, as text, as JSON; into head" {
    queue 0 list
    same "$output" "Mail queue is empty"
    queue 0 list --json
    same "$output" ""
    local i
    for i in {1..5}; do put "a$i@d49.test"; done
    run -0 bash -c '"$MXTLS" queue list --queue "$Q" | head -n 1'
    matches '^[0-9a-z]{16}  '
}

@test "a queue of somebody else, one that others may write to, one behind a closed door: 77, and why" {
    put a@d34.test
    chown nobody "$Q"
    for action in list run check; do
        queue 77 "$action"
        has "it belongs to user $(id -u nobody), and this is user 0: only its owner may use it"
    done
    chown 0 "$Q"
    chmod 775 "$Q/q"
    queue 77 list
    has 'q has mode 0775: others may write to it (expected 0700)'
    chmod 700 "$Q/q"
    chmod 711 "$BATS_TEST_TMPDIR"
    run -77 setpriv --reuid nobody --clear-groups "$MXTLS" queue list --queue "$Q"
    has "Permission denied"
    queue 0 list
    has "<a@d34.test>"
}

@test "check: for people, Nagios and Prometheus (E39)" {
    queue 0 check
    has "0 messages"
    put a@d50.test
    queue 0 run
    queue 0 check --nagios
    matches '^MXTLS QUEUE OK - 1 messages, 1 recipients.*refused.* \| messages=1 recipients=1 held=0 oldest=[0-9]+s;14400;86400 last_run='
    at +59m queue 0 check --nagios
    at +2h queue 2 check --nagios
    matches 'CRITICAL.*no run for more than an hour'
    at +5h queue 0 run
    at +5h queue 1 check --nagios
    matches 'WARNING.*a message is old'
    queue 0 check --prometheus
    "$ROOT/tests/lib/promcheck.py" <<< "$output"
    matches "^mxtls_queue_messages 1\$"
    matches '^mxtls_queue_top_reason_recipients\{reason=".*refused'
    rm -rf "$Q"
    : > "$Q"
    queue 3 check --nagios
    matches '^MXTLS QUEUE UNKNOWN - '
}

@test "the runner's loop takes what comes, and ends by TERM" {
    mx loop 51 'send 220 mx' 'serve'
    put a@d51.test
    "$MXTLS" queue run --loop 1s --queue "$Q" 3>&- &
    local runner=$!
    peer_wait_line loop 'S1 end'
    put b@d51.test
    peer_wait_line loop 'S2 end'
    kill "$runner"
    end_of "$runner"
    same "$ENDED" 0
    same "$(rcpts loop) $(queued)" "a@d51.test b@d51.test 0"
}

@test "NOTIFY: never is not told, success is (RFC 3461)" {
    mx plain 52 'send 220 mx' 'serve rcpt:no=550 5.1.1 no' 'session' 'send 220 mx' 'serve rcpt:no=550 5.1.1 no'
    local before
    before=$(taken home)
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    ln -s "$MXTLS" "$BATS_TEST_TMPDIR/bin/sendmail"
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    Q=$XDG_STATE_HOME/mxtls/queue
    run -0 "$BATS_TEST_TMPDIR/bin/sendmail" -odq -N never -f alice@client.test no@d52.test < "$MESSAGE"
    queue 0 run
    same "$(queued) $(taken home)" "0 $before"
    run -0 "$BATS_TEST_TMPDIR/bin/sendmail" -odq -N success -f alice@client.test yes@d52.test < "$MESSAGE"
    queue 0 run
    same "$(queued) $(taken home)" "0 $((before + 1))"
    output=$(tr -d '\r' < "$(find "$BATS_FILE_TMPDIR" -name 'S*.1' | sort -V | tail -n 1)")
    has 'Action: relayed'
}

@test "a message is kept and nobody runs the queue: said on standard error and in the log, with what to do (E31)" {
    local log=$BATS_TEST_TMPDIR/log
    run -0 --separate-stderr "$MXTLS" send --delivery now --queue "$Q" --log "$log" -f a@client.test b@d53.test < "$MESSAGE"
    [[ $stderr == *"nobody runs the queue"*crontab*systemctl* ]] || assert_fail "no word" "$stderr"
    file_has "$log" "nobody runs the queue"
    queue 0 run
    run -0 --separate-stderr "$MXTLS" send --delivery queue --queue "$Q" -f a@client.test b@d53.test < "$MESSAGE"
    same "$stderr" ""
    at +2h run -0 --separate-stderr "$MXTLS" send --delivery queue --queue "$Q" -f a@client.test b@d53.test < "$MESSAGE"
    [[ $stderr == *"for an hour nobody runs the queue"* ]] || assert_fail "no word" "$stderr"
    # the background has no standard error
    : > "$log"
    at +2h run -0 --separate-stderr "$MXTLS" send --queue "$Q" --log "$log" -f a@client.test b@d53.test < "$MESSAGE"
    wait_for_line "$log" "nobody runs the queue"
    # what is delivered needs no runner
    mx kept 54 'send 220 mx' 'serve'
    at +2h run -0 --separate-stderr "$MXTLS" send --delivery now --queue "$Q" -f a@client.test b@d54.test < "$MESSAGE"
    same "$stderr" ""
}

@test "the shipped units and the crontab line name a program and an action that exist" {
    local to=$BATS_TEST_TMPDIR/to
    run -0 make -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$to" PREFIX=/usr
    local file
    for file in "$to/usr/lib/systemd/user/mxtls-queue.service" "$to/usr/share/mxtls/crontab"; do
        local words
        words=$(sed -nE 's/^(ExecStart=|\*\/5 [* ]*)\/usr\/bin\/mxtls //p' "$file")
        same "$words" "queue run --log syslog"
    done
    run -0 "$to/usr/bin/mxtls" queue run --queue "$Q"
}
