# Failure modes seen in other mail queues, one test each, numbered as in the notes that they come from.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send
load lib/queue

setup_file() {
    certs_make
    message_make
    {
        queue_zone
        echo 'gone.test. MX 10 missing.box.test.'
    } | dns_start
    mx home 69 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve'
}

setup() {
    queue_new
}

@test "1: a smarthost whose name does not resolve defers, never bounces" {
    put bob@d30.test
    queue 0 run --via relay.missing.test:25
    queue 0 run --all --via '[relay.missing.test]:25'
    queue 0 run --all --via '[relay.missing.test]:25' --resolver 192.0.2.99:53 --deadline 3s
    same "$(queued) $(q '.recipients[0].status')" "1 pending"
}

@test "2: a server that hangs at any step ends by the timeout, and the queue goes on" {
    mx hang1 31 'send 220 mx' 'stall'
    mx hang2 32 'send 220 mx' 'ehlo' 'expect MAIL' 'stall'
    mx hang3 33 'send 220 mx' 'serve dot=break' 'stall'
    mx fine 34 'send 220 mx' 'serve'
    put a@d31.test b@d32.test c@d33.test d@d34.test
    # --timeout is 5 s; the answer to the final dot has twice that
    queue 0 run
    same "$(rcpts fine)" d@d34.test
    same "$(q '.recipients[].status' | xargs)" "pending pending pending delivered"
    peer_stop hang1
    peer_stop hang2
    peer_stop hang3
}

@test "3: a report that nobody takes makes no further report, and a flood of them is not kept" {
    mx refuse 35 'send 220 mx' 'serve rcpt=550 5.1.1 no'
    local i
    for i in {1..3}; do
        run -0 "$MXTLS" send --delivery queue --queue "$Q" -f "nobody$i@d35.test" "bob$i@d35.test" < "$MESSAGE"
    done
    queue 0 run
    has "a report that cannot be delivered is kept in corrupt/"
    same "$(queued) $(journals) $(find "$Q/corrupt" -type f | wc -l)" "0 0 3"
    for i in {1..100}; do : > "$Q/corrupt/x$i"; done
    run -0 "$MXTLS" send --delivery queue --queue "$Q" -f "nobody@d35.test" "bob@d35.test" < "$MESSAGE"
    queue 0 run
    has "dropped"
    same "$(queued) $(find "$Q/corrupt" -type f | wc -l)" "0 103"
}

@test "4: no hammering: many runs do not try what is not due" {
    local i
    mx later 36 'send 220 mx' 'serve rcpt=450 4.2.0 later'
    put a@d36.test
    for i in {1..10}; do queue 0 run; done
    same "$(rcpts later)" a@d36.test
    put b@d37.test # nobody there
    for i in {1..5}; do queue 0 run; done
    same "$("$MXTLS" queue list --json --queue "$Q" | jq -r .recipients[0].tries | xargs)" "1 1"
}

@test "5: whatever the delivery says, what was stored ends with 0" {
    mx sorry 38 'send 554 go away' 'close'
    local to
    for to in a@d38.test a@d39.test a@gone.test; do
        run -0 "$MXTLS" send --delivery now --queue "$Q" -f alice@client.test "$to" < "$MESSAGE"
    done
    same "$(queued)" 3
}

@test "6: never 0 when nothing was stored" {
    mkdir "$BATS_TEST_TMPDIR/open" && chmod 777 "$BATS_TEST_TMPDIR/open"
    run -77 "$MXTLS" send --queue "$BATS_TEST_TMPDIR/open" -f a@client.test b@d39.test < "$MESSAGE"
    run -73 "$MXTLS" send --queue "$BATS_TEST_TMPDIR/none/queue" -f a@client.test b@d39.test < "$MESSAGE"
    : > "$BATS_TEST_TMPDIR/file"
    run "$MXTLS" send --queue "$BATS_TEST_TMPDIR/file" -f a@client.test b@d39.test < "$MESSAGE"
    [ "$status" -ne 0 ]
    run -73 env -u HOME -u XDG_STATE_HOME "$MXTLS" send -f a@client.test b@d39.test < "$MESSAGE"
    has "neither HOME nor XDG_STATE_HOME is set"
}

@test "7: the same address in To, Cc, Bcc and on the command line gets one message" {
    mx once 40 'send 220 mx' 'serve'
    printf 'To: bob@d40.test\nCc: Bob <bob@D40.test>\nBcc: bob@d40.test\nSubject: x\n\nx\n' > "$BATS_TEST_TMPDIR/m"
    MESSAGE=$BATS_TEST_TMPDIR/m put -t bob@d40.test
    queue 0 run
    same "$(rcpts once)" bob@d40.test
}

@test "8: one refused recipient does not take the others with it" {
    mx one 41 'send 220 mx' 'serve rcpt:bad=550 5.1.1 no'
    put a@d41.test bad@d41.test c@d41.test
    queue 0 run
    same "$(rcpts one)" "a@d41.test bad@d41.test c@d41.test"
    same "$(taken one) $(queued)" "1 0"
}

@test "8b: CR LF input: the header ends where it ends, and no recipient comes from the body" {
    mx crlf 42 'send 220 mx' 'serve'
    printf 'To: bob@d42.test\r\nSubject: x\r\n\r\nTo: eve@d42.test\r\n' > "$BATS_TEST_TMPDIR/m"
    MESSAGE=$BATS_TEST_TMPDIR/m put -t
    queue 0 run
    same "$(rcpts crlf)" bob@d42.test
}

@test "9: STARTTLS that is refused or missing where TLS must be defers, never bounces" {
    printf 'default encrypt\n' > "$BATS_TEST_TMPDIR/policy"
    mx none 43 'send 220 mx' 'ehlo' 'expect' 'send 502 5.5.1 what' 'serve'
    mx refused 44 'send 220 mx' 'serve ehlo=STARTTLS starttls=502 5.5.1 no'
    put a@d43.test
    put b@d44.test
    queue 0 run --policy "$BATS_TEST_TMPDIR/policy"
    same "$(queued)" 2
    same "$("$MXTLS" queue list --json --queue "$Q" | jq -r '.recipients[0].status' | xargs)" "pending pending"
    same "$(taken none) $(taken refused)" "0 0"
}

@test "10: a header that ends with the input keeps its last recipient" {
    mx eof 45 'send 220 mx' 'serve'
    printf 'Subject: x\nTo: a@d45.test,\n b@d45.test' > "$BATS_TEST_TMPDIR/m"
    MESSAGE=$BATS_TEST_TMPDIR/m put -t
    queue 0 run
    same "$(rcpts eof)" "a@d45.test b@d45.test"
}

@test "11: a line of 100,000 bytes goes through" {
    mx long 46 --spool "$BATS_TEST_TMPDIR" 'send 220 mx' 'serve'
    { printf 'Subject: x\n\n' && head -c 100000 /dev/zero | tr '\0' x && echo; } > "$BATS_TEST_TMPDIR/m"
    MESSAGE=$BATS_TEST_TMPDIR/m put bob@d46.test
    queue 0 run
    same "$(taken long) $(queued)" "1 0"
    [ "$(awk '{ if (length > m) m = length } END { print m }' "$BATS_TEST_TMPDIR/S1.1")" -le 999 ]
}

@test "12: Bcc never leaves, folded or twice" {
    mx bcc 47 --spool "$BATS_TEST_TMPDIR" 'send 220 mx' 'serve'
    printf 'To: a@d47.test\nBcc: b@d47.test,\n\tc@d47.test\nbcc: d@d47.test\nSubject: x\n\nx\n' > "$BATS_TEST_TMPDIR/m"
    MESSAGE=$BATS_TEST_TMPDIR/m put -t
    queue 0 run
    same "$(rcpts bcc)" "a@d47.test b@d47.test c@d47.test d@d47.test"
    file_has_not "$BATS_TEST_TMPDIR/S1.1" b@d47
    file_has_not "$BATS_TEST_TMPDIR/S1.1" c@d47
    file_has_not "$BATS_TEST_TMPDIR/S1.1" d@d47
}

@test "13: file and directories are synced before 0; the journal before the connection goes on" {
    mx part 48 'send 220 mx' 'serve rcpt:later=450 4.2.0 later'
    local trace=$BATS_TEST_TMPDIR/trace
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
    run -0 strace -f -y -o "$trace" -e trace=fsync,fdatasync,renameat2,exit_group,sendto,write \
        "$MXTLS" send --delivery now --queue "$Q" -f a@client.test b@d48.test later@d48.test < "$MESSAGE"
    local lines
    lines=$(grep -nE 'fsync\(.*queue/tmp/|renameat2\(.*queue/q>|fsync\(.*queue/q>|fdatasync\(.*queue/j/|fsync\(.*queue/j>|QUIT' "$trace" |
        sed -E 's/.*(fdatasync|fsync|renameat2|QUIT).*(tmp\/|\/q>|\/j\/|\/j>).*/\1 \2/; s/.*QUIT.*/QUIT/' | xargs)
    [[ $lines == "fsync tmp/ renameat2 /q> fsync /q> "*"fdatasync /j/ fsync /j> "*QUIT* ]] || assert_fail "order" "$lines"
    # a queue that is new is synced itself
    grep -qE "fsync\(.*<$Q>" "$trace"
}

@test "14: a damaged file is moved aside, and the run goes on" {
    mx rest 49 'send 220 mx' 'serve'
    put a@d49.test
    local damaged=$ID
    put b@d49.test
    printf 'x' | dd of="$Q/q/$damaged" bs=1 seek=150 conv=notrunc status=none
    printf 'garbage' > "$Q/q/0000000000000000"
    ln -s /etc/passwd "$Q/q/0000000000000001"
    mkdir "$Q/q/0000000000000002"
    chmod 600 "$Q"/q/0000000000000000
    queue 0 run
    has "moved to corrupt/"
    same "$(rcpts rest)" b@d49.test
    [ -e "$Q/corrupt/$damaged" ]
    [ -e "$Q/corrupt/0000000000000000" ]
    same "$(queued)" 0
    same "$(cat "$Q/corrupt/0000000000000000")" garbage
}

@test "15: kill -9 leaves no lock behind" {
    mx stuck 50 'stall'
    put a@d50.test
    "$MXTLS" queue run --queue "$Q" 3>&- &
    local runner=$! child
    peer_wait_line stuck '^S1' 5 || true
    for _ in $(seq 50); do [ "$(q .active)" = true ] && break; read -rt 0.1 <> <(:) || true; done
    same "$(q .active)" true
    child=$(pgrep -P "$runner")
    kill -KILL "$runner" "$child"
    wait "$runner" || true
    peer_stop stuck
    mx free 50 'send 220 mx' 'serve'
    queue 0 run
    same "$(rcpts free) $(queued)" "a@d50.test 0"
}

@test "16: the disk fills up in the middle of the message: status, nothing left, and it recovers" {
    mkdir "$BATS_TEST_TMPDIR/small"
    mount -t tmpfs -o size=300k small "$BATS_TEST_TMPDIR/small"
    Q=$BATS_TEST_TMPDIR/small/queue
    { printf 'Subject: x\n\n' && head -c 600000 /dev/zero | tr '\0' '\n'; } > "$BATS_TEST_TMPDIR/m"
    # told before anything is written, where that is left free; without, in the middle
    run -75 "$MXTLS" send --delivery queue --queue "$Q" -f a@client.test b@d51.test < "$BATS_TEST_TMPDIR/m"
    has "no space left for the queue"
    run -74 "$MXTLS" send --delivery queue --queue "$Q" --queue-min-free 0 -f a@client.test b@d51.test < "$BATS_TEST_TMPDIR/m"
    has "No space left"
    same "$(find "$Q" -type f | wc -l)" 0
    put b@d51.test
    same "$(queued)" 1
    umount "$BATS_TEST_TMPDIR/small"
}

@test "17: TERM while the message is read stores nothing, status 75; a reader that is gone kills nobody" {
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    "$MXTLS" send --queue "$Q" -f a@client.test b@d52.test < "$BATS_TEST_TMPDIR/fifo" 3>&- &
    local sender=$!
    exec 5> "$BATS_TEST_TMPDIR/fifo"
    printf 'Subject: x\n\nhalf' >&5
    read -rt 0.3 <> <(:) || true
    kill "$sender"
    end_of "$sender"
    exec 5>&-
    same "$ENDED" 75
    same "$(find "$Q" -type f 2> /dev/null | wc -l)" 0
    # SIGPIPE on what we print
    "$MXTLS" send --delivery queue --queue "$Q" -f a@client.test b@d52.test < "$MESSAGE" | true
    same "$(queued)" 1
}

@test "18: closed descriptors 0, 1, 2, and leaked ones" {
    mx fds 53 'send 220 mx' 'serve'
    run -0 bash -c '"$MXTLS" send --queue "$Q" -f a@client.test b@d53.test < "$MESSAGE" >&- 2>&-'
    run -0 bash -c '"$MXTLS" send --queue "$Q" -f a@client.test c@d53.test < "$MESSAGE" 7< /dev/null 8> /dev/null'
    for _ in $(seq 100); do [ "$(queued)" = 0 ] && break; read -rt 0.1 <> <(:) || true; done
    same "$(queued) $(rcpts fds)" "0 b@d53.test c@d53.test"
}

@test "19: two runners at once give nobody a message twice" {
    mx two 54 'pause 300' 'send 220 mx' 'serve'
    put a@d54.test
    put b@d54.test
    "$MXTLS" queue run --queue "$Q" 3>&- &
    local other=$!
    queue 0 run
    wait "$other"
    queue 0 run
    same "$(rcpts two)" "a@d54.test b@d54.test"
}

@test "20: no program answers a report: it says so, and comes from nobody" {
    mx no 55 'send 220 mx' 'serve rcpt=550 5.1.1 no'
    put a@d55.test
    queue 0 run
    sessions home > /dev/null
    peer_wait_line home 'MAIL FROM:<>'
    local report
    report=$(find "$BATS_FILE_TMPDIR" -name 'S*.1' | sort -V | tail -n 1)
    file_has "$report" 'Auto-Submitted: auto-replied'
}
