#!/usr/bin/env bats
# mxtls probe -f LIST -o FILE: surveys (DECISIONS D).

load lib/rig
load lib/probe

# Twenty MX hosts at 127.1.0.1 to 127.1.0.20, two addresses for the first; 200 domains share them.
zone() {
    local i
    for i in {1..20}; do echo "mx$i.mail$((i % 5)).test. A 127.1.0.$i"; done
    echo "mx1.mail1.test. A 127.1.1.1"
    for i in {0..199}; do
        echo "d$i.test. MX 10 mx$((i % 20 + 1)).mail$(((i % 20 + 1) % 5)).test."
        echo "d$i.test. MX 20 mx$((i % 7 + 1)).mail$(((i % 7 + 1) % 5)).test."
    done
    echo "null.test. MX 0 ."
    echo "gone.test. MX 10 nowhere.test."
    echo "private.test. MX 10 mx1.mail1.test."
    echo "polite.test. MX 10 a.polite.test."
    echo "polite2.test. MX 10 b.polite.test."
    echo "a.polite.test. A 192.0.2.40"
    echo "b.polite.test. A 192.0.2.40"
    echo "77.2.0.192.in-addr.arpa. PTR probe.box.test."
    for i in {1..60}; do
        echo "v$i.test. MX 10 mail.v$i.test."
        echo "mail.v$i.test. A 127.2.0.1"
    done
    for i in {1..12}; do
        echo "n$i.test. MX 10 mx.n$i.test."
        echo "mx.n$i.test. A 192.0.2.$((200 + i))"
    done
}

setup_file() {
    certs_make
    zone | dns_start
    peer_start farm '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 0.0.0.0:25 \
        --cert "$CERTS/ecdsa.pem" 'send 220 mx.box.test ESMTP' 'serve ehlo=STARTTLS;SIZE'
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    printf 'd%d.test\n' {0..199} > list
    SURVEY=("$MXTLS" probe --ca-file "$CERTS/root.crt" --allow-private)
}

# Sessions that the farm has seen so far.
sessions() {
    grep -c '^S[0-9]* end' "$(peer_log farm)" || true
}

# records FILE FILTER: jq on the records of domains
records() {
    jq -r "select(.type == \"domain\") | $2" "$1"
}

# every_line_once FILE N: N records, of the lines 1 to N, each whole
every_line_once() {
    same "$(records "$1" .seq | sort -n | tr '\n' ' ')" "$(seq "$2" | tr '\n' ' ')"
}

# --- the graph of mail servers ----------------------------------------------------------------------

# bats test_tags=fibers
@test "two hundred domains that share twenty-one servers: as many servers are asked, each domain has its record" {
    local before
    before=$(sessions)
    run -0 --separate-stderr "${SURVEY[@]}" -f list -o out.ndjson
    same "$output$stderr" ""
    every_line_once out.ndjson 200
    same "$(head -n 1 out.ndjson | jq -r '"\(.type) \(.input.lines) \(.input.sha256)"')" \
        "meta 200 $(sha256sum < list | cut -d ' ' -f 1)"
    same "$(records out.ndjson .summary.verdict | sort | uniq -c | xargs)" "200 encrypted"
    # two sessions each: the second asks for the other kind of certificate
    same "$(($(sessions) - before))" 42
    same "$(ls list out*)" $'list\nout.ndjson'
}

# bats test_tags=fibers
@test "the record of a survey says what a probe of that domain alone says" {
    local plain
    # what depends on the moment, and what only a list has
    plain='del(.. | .timing?, .duration?, .timestamp?, .ttl?, .seq?, .attempts?, .resolver?)
        | .exchanges |= (map(.hosts |= sort_by(.ip)) | sort_by(.name))
        | walk(if type == "object" and has("ipv4_addresses") then .ipv4_addresses |= sort else . end)
        | .summary.reasons |= sort'
    echo d0.test > one
    run -0 "${SURVEY[@]}" -f one -o one.ndjson
    probe 1 --ca-file "$CERTS/root.crt" --allow-private d0.test
    same "$(tail -n 1 one.ndjson | jq -S "$plain")" "$(jq -S "$plain" <<< "$output")"
}

# bats test_tags=fibers
@test "--dedupe-output: hosts and certificates once, and put together again they are the records" {
    run -0 "${SURVEY[@]}" -f list -o whole.ndjson
    run -0 "${SURVEY[@]}" -f list -o parts.ndjson --dedupe-output
    same "$(jq -r .type parts.ndjson | sort | uniq -c | xargs)" "2 certificate 200 domain 21 host 1 meta"
    every_line_once parts.ndjson 200
    # what a line refers to stands above it; put in its place, it makes the record
    jq -n -c --sort-keys 'foreach inputs as $l ({hosts: {}, out: null};
        .out = null | if $l.type == "host" then .hosts[$l.ref] = $l.host
            elif $l.type == "domain" then .hosts as $hosts | .out = [$l.seq, $l.summary.verdict, ([$l.exchanges[] | .name as $mx | .hosts[]
                | ($hosts[.ref] // error("unknown " + .ref)) as $h
                | [$mx, .ip, $h.starttls_state, .tls[0].validation.matches_domain, ($h.tls[0].chain | length)]] | sort)] else . end;
        .out // empty)' parts.ndjson | sort > parts
    jq -n -c 'inputs | select(.type == "domain") | [.seq, .summary.verdict, ([.exchanges[] | .name as $mx | .hosts[]
        | [$mx, .ip, .starttls_state, .tls[0].validation.matches_domain, (.tls[0].chain | length)]] | sort)]' whole.ndjson | sort > whole
    run -0 diff parts whole
    same "$(wc -l < whole)" 200
    # a certificate's line tells what the record does, also how long it is valid from now on
    same "$(jq -cS 'select(.type == "certificate") | .certificate | [.fingerprint_sha256, .validity]' parts.ndjson | sort)" \
        "$(jq -cS 'select(.type == "domain") | .certificates[] | [.fingerprint_sha256, .validity]' whole.ndjson | sort -u)"
}

@test "one record for each line: no target, no mail, no address, private address, nothing left to ask" {
    printf '%s\n' '# comment' null.test gone.test 'bad..name' '' nxdomain.test private.test '7,d1.test' > odd
    run -0 --separate-stderr "$MXTLS" probe -f odd -o out.ndjson --retries 0
    same "$(records out.ndjson '"\(.seq) \(.summary.verdict) \(.rank)"' | sort -n | paste -sd '|')" \
        "2 no-mail null|3 undeliverable null|4 unknown null|6 undeliverable null|7 unknown null|8 unknown 7"
    same "$(records out.ndjson 'select(.seq == 7) | .exchanges[0].hosts[].status')" $'blocklisted-target\nblocklisted-target'
    [[ $stderr == *'odd:4: "bad..name" is no target'* ]] || assert_fail "line 4" "$stderr"
}

# bats test_tags=fibers
@test "what is unknown is asked again at the end, and has one record" {
    # the first client is turned away, all others are served
    peer_start moody '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 127.3.0.1:2525 \
        --cert "$CERTS/ecdsa.pem" 'send 421 come back later' session 'send 220 mx' 'serve ehlo=STARTTLS'
    echo '[127.3.0.1]:2525' > moody
    run -0 "${SURVEY[@]}" -f moody -o out.ndjson --back-off 1s
    every_line_once out.ndjson 1
    same "$(records out.ndjson .summary.starttls)" all
    echo '[127.3.0.9]:2525' > nobody
    peer_stop moody
    run -0 "${SURVEY[@]}" -f nobody -o out2.ndjson --retries 2
    every_line_once out2.ndjson 1
    same "$(records out2.ndjson .summary.verdict)" unknown
}

# --- interruption -----------------------------------------------------------------------------------

# bats test_tags=fibers
@test "kill -9 at any moment, then --resume: every line once, no torn line, nothing finished is asked again" {
    local _ mark left
    RANDOM=7
    for _ in 1 2 3 4 5 6; do
        rm -f out.ndjson*
        for _ in 1 2 3; do
            "${SURVEY[@]}" -f list -o out.ndjson --resume --concurrency 3 3>&- &
            sleep "0.0$((RANDOM % 9))$((RANDOM % 10))"
            kill -KILL $! 2> /dev/null || true
            wait $! 2> /dev/null || true
        done
        # servers that have their line in the cache: mx1.mail1.test is two
        : > finished
        if [ -e out.ndjson.cache ]; then jq -rR 'fromjson? | .name' out.ndjson.cache > finished; fi
        sort finished | uniq -c | awk '$1 == ($2 == "mx1.mail1.test" ? 2 : 1) { print $2 }' | sort > known
        # a fast machine may have been at the end before the kill: then nobody is asked, and there is no cache
        left=20
        if [ ! -e out.ndjson.cache ] && [ -e out.ndjson ] && [ "$(wc -l < out.ndjson)" = 201 ]; then left=0; fi
        mark=$(wc -l < "$(peer_log farm)")
        run -0 "${SURVEY[@]}" -f list -o out.ndjson --resume
        every_line_once out.ndjson 200
        same "$(records out.ndjson .summary.verdict | sort | uniq -c | xargs)" "200 encrypted"
        # Who is known is not asked again, by nobody. The others may have been in flight at each kill, so that
        # they see more than the session they get now: what was not written down is not known.
        tail -n +$((mark + 1)) "$(peer_log farm)" | sed -n 's/.* sni=//p' | sort > asked
        same "$(sort -u asked | comm -12 - known)" ""
        same "$(sort -u known asked | wc -l)" "$left"
        same "$(ls list out*)" $'list\nout.ndjson'
    done
}

# bats test_tags=fibers
@test "Ctrl-C: sessions in flight end, the file is valid, --resume does the rest, status 130" {
    local pid status=0
    peer_start slow '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 0.0.0.0:2526 'pause 700' 'send 220 mx' 'ehlo SIZE' serve
    printf '[127.4.0.%d]:2526\n' {1..30} > slow
    "${SURVEY[@]}" -f slow -o out.ndjson --concurrency 4 > said 2>&1 3>&- &
    pid=$!
    peer_wait_line slow '^S9 '
    kill -INT "$pid"
    wait "$pid" || status=$?
    same "$status" 130
    file_has said "--resume goes on"
    same "$(jq -r .type out.ndjson | sort | uniq | xargs)" "domain meta"
    [ "$(records out.ndjson .seq | wc -l)" -ge 8 ] || assert_fail "sessions in flight were lost" "$(records out.ndjson .seq)"
    # what was in flight has its record: nothing was left in the middle
    same "$(records out.ndjson '.summary.verdict' | sort | uniq)" plaintext
    run -64 "${SURVEY[@]}" -f slow -o out.ndjson
    has "not finished"
    run -0 "${SURVEY[@]}" -f slow -o out.ndjson --resume
    every_line_once out.ndjson 30
}

@test "--resume: a torn line at the end is cut, a foreign one reported with file and line" {
    run -0 "${SURVEY[@]}" -f list -o out.ndjson
    head -n 101 out.ndjson > part.ndjson
    echo 'not ours' >> part.ndjson
    sed -n 102p out.ndjson | head -c 500 >> part.ndjson
    run -0 --separate-stderr "${SURVEY[@]}" -f list -o part.ndjson --resume
    [[ $stderr == *"part.ndjson:102: torn, or no line of a survey"* ]] || assert_fail "line 102" "$stderr"
    [[ $stderr == *"500 bytes behind the last whole line"* ]] || assert_fail "torn" "$stderr"
    same "$(grep -v '^not ours' part.ndjson | jq -r 'select(.type == "domain") | .seq' | sort -n | tr '\n' ' ')" "$(seq 200 | tr '\n' ' ')"
}

@test "--resume refuses another list, other options, and what is no survey" {
    run -0 "${SURVEY[@]}" -f list -o out.ndjson
    echo more.test >> list
    run -64 "${SURVEY[@]}" -f list -o out.ndjson --resume
    has "the list"
    printf 'd%d.test\n' {0..199} > list
    run -64 "${SURVEY[@]}" -f list -o out.ndjson --resume --dedupe-output
    has "--dedupe-output"
    echo hello > text
    run -64 "${SURVEY[@]}" -f list -o text --json --resume
    has "text:1: not the first line of a survey"
    same "$(cat text)" hello
    run -64 "${SURVEY[@]}" -f - -o new.ndjson --resume < list
    run -64 "${SURVEY[@]}" -f list --csv --resume
    has "--resume is for surveys"
    # all there: nothing to do
    run -0 "${SURVEY[@]}" -f list -o out.ndjson --resume
    every_line_once out.ndjson 200
}

# bats test_tags=fibers
@test "a full disk: the survey stops with a message, the file is valid to its last line, and can be gone on with" {
    local free
    mkdir small
    mount -t tmpfs -o size=400k small small
    run -74 --separate-stderr "${SURVEY[@]}" -f list -o small/out.ndjson
    [[ $stderr == *"No space left"* ]] || assert_fail "no reason" "$stderr"
    free=$(jq -r .type small/out.ndjson | sort | uniq -c | xargs)
    [[ $free == *"domain 1 meta" ]] || assert_fail "not valid" "$free"
    mount -o remount,size=40m small
    run -0 "${SURVEY[@]}" -f list -o small/out.ndjson --resume
    every_line_once small/out.ndjson 200
    umount small
}

# --- sparing servers --------------------------------------------------------------------------------

@test "--exclude: no question and no packet for who does not want it" {
    local asked
    printf '%s\n' 'd0.test # asked us' 127.1.0.2 127.1.0.16/28 mail3.test > exclude
    asked=$(sessions)
    printf '%s\n' d0.test d1.test d2.test d15.test > some
    run -0 "${SURVEY[@]}" -f some -o out.ndjson --exclude exclude --retries 0
    same "$(records out.ndjson 'select(.seq == 1) | .summary.reasons[0], .mx_status')" $'d0.test is excluded\nunknown'
    same "$(records out.ndjson '.exchanges[] | .name + " " + (.hosts[] | .ip + " " + .status)' | sort -u | paste -sd '|')" \
        "mx16.mail1.test 127.1.0.16 blocklisted-target|mx2.mail2.test 127.1.0.2 blocklisted-target|mx3.mail3.test 127.1.0.3 blocklisted-target"
    same "$(sessions)" "$asked"
    echo 'what is this?' >> exclude
    run -78 "${SURVEY[@]}" -f some -o out.ndjson --exclude exclude
    has "exclude:5: "
}

# bats test_tags=fibers
@test "--names-per-address: enough names are enough, what the address does is told for all (DECISIONS D28)" {
    local before
    before=$(sessions)
    printf 'v%d.test\n' {1..60} > vanity
    run -0 "${SURVEY[@]}" -f vanity -o out.ndjson --names-per-address 5 --key-types any
    every_line_once out.ndjson 60
    same "$(($(sessions) - before))" 5
    same "$(records out.ndjson '.exchanges[0].hosts[0] | "\(.status) \(.starttls_state) \(.tls[0].key_status)"' | sort | uniq -c | sed 's/^ *//' | paste -sd '|')" \
        "55 skipped-ratelimit done skipped-ratelimit|5 success done present"
}

# bats test_tags=fibers
@test "one address one session at a time, a second apart; five a second in a /24 (DECISIONS D27)" {
    local begun=$SECONDS
    printf '%s\n' polite.test polite2.test > two
    run -0 --separate-stderr "${SURVEY[@]}" -f two -o out.ndjson --key-types any --pace 3s
    # strangers should know who asks them
    [[ $stderr == *"EHLO says client.box.test, but the PTR record of 192.0.2.1 does not"* ]] || assert_fail "no warning" "$stderr"
    run -0 --separate-stderr "${SURVEY[@]}" -f two -o ok.ndjson --key-types any --pace 0 --source 192.0.2.77 --helo probe.box.test
    same "$stderr" ""
    ((SECONDS - begun >= 3)) || assert_fail "too fast" "$((SECONDS - begun)) s"
    begun=$SECONDS
    printf 'n%d.test\n' {1..12} > network
    run -0 "${SURVEY[@]}" -f network -o out2.ndjson --key-types any
    every_line_once out2.ndjson 12
    ((SECONDS - begun >= 1)) || assert_fail "twelve sessions in a /24 at once" "$((SECONDS - begun)) s"
    begun=$SECONDS
    head -n 20 list > twenty
    run -0 "${SURVEY[@]}" -f twenty -o out3.ndjson --key-types any --rate 7
    ((SECONDS - begun >= 2)) || assert_fail "--rate" "$((SECONDS - begun)) s"
}

@test "--shard: the parts are the list, whatever its order, and can be put one behind the other" {
    run -0 "${SURVEY[@]}" -f list -o 1.ndjson --shard 1/3
    run -0 "${SURVEY[@]}" -f list -o 2.ndjson --shard 2/3
    run -0 "${SURVEY[@]}" -f list -o 3.ndjson --shard 3/3
    cat 1.ndjson 2.ndjson 3.ndjson > all.ndjson
    every_line_once all.ndjson 200
    same "$(jq -r 'select(.type == "meta") | .shard' all.ndjson | xargs)" "1/3 2/3 3/3"
    sort -R list > mixed
    run -0 "${SURVEY[@]}" -f mixed -o 1m.ndjson --shard 1/3
    same "$(records 1m.ndjson .domain | sort)" "$(records 1.ndjson .domain | sort)"
    run -64 "${SURVEY[@]}" -f list -o x.ndjson --shard 4/3
    has "no part K/N"
}

@test "a list from a pipe, records to a pipe" {
    run -0 --separate-stderr bash -c 'head -n 20 list | "$@"' sh "${SURVEY[@]}" -f - --json
    same "$(jq -r .seq <<< "$output" | sort -n | xargs)" "$(seq 20 | xargs)"
    same "$stderr" ""
    run -0 bash -c '"$@" | head -n 1 | wc -l' sh "${SURVEY[@]}" -f list --json
    same "$output" 1
}

# bats test_tags=fibers
@test "--status-file for machines, SIGUSR1 for people, one line on a terminal" {
    local pid
    peer_start held '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 127.5.0.1:2527 'pause 2500' 'send 220 mx' 'ehlo SIZE' serve
    printf '%s\n' d0.test d1.test '[127.5.0.1]:2527' > some
    "${SURVEY[@]}" -f some -o out.ndjson --status-file status > said 2>&1 3>&- &
    pid=$!
    wait_for_line status '"in_flight":1,'
    same "$(jq -r '"\(.state) \(.lines)"' status)" "running 3"
    kill -USR1 "$pid"
    wait_for_line said '^mxtls probe: 2 of 3 '
    wait "$pid"
    same "$(jq -r '"\(.state) \(.records) \(.verdicts.encrypted) \(.verdicts.plaintext) \(.servers)"' status)" "finished 3 2 1 4"
    # one line, renewed in place, and nothing else
    run -0 script -qec "$(printf '%q ' "${SURVEY[@]}" -f some -o out.ndjson) > /dev/null" typescript
    grep -aqE $'\r[0-9]+ of 3 \\([0-9.]+%\\), ' typescript || assert_fail "no line" "$(cat -v typescript)"
    grep -aqE 'finished: 3 of 3 \(100.0%\)' typescript || assert_fail "no end" "$(cat -v typescript)"
}

# workers PID N: the processes of a survey's workers, once there are N
workers() {
    local deadline=$((SECONDS + 60))
    until [ "$(pgrep -c -P "$1" || true)" = "$2" ]; do
        [ "$SECONDS" -lt "$deadline" ] || assert_fail "no $2 workers" "$(pgrep -P "$1")"
        sleep 0.05
    done
    pgrep -P "$1"
}

# all_gone PIDS: none of these processes is left
all_gone() {
    local pid
    for pid in $1; do timeout 60 tail --pid="$pid" -s 0.05 -f /dev/null || assert_fail "still there" "$pid"; done
}

# bats test_tags=fibers
@test "--workers: the same records, as many sessions at the same pace, and nothing is left running" {
    local before plain
    # what depends on the moment
    plain='select(.type == "domain") | del(.. | .timing?, .duration?, .timestamp?, .ttl?, .resolver?, .session_id?)
        | .exchanges |= (map(.hosts |= sort_by(.ip)) | sort_by(.name))
        | walk(if type == "object" and has("ipv4_addresses") then .ipv4_addresses |= sort else . end)
        | .summary.reasons |= sort'
    printf '%s\n' null.test gone.test >> list
    run -0 "${SURVEY[@]}" -f list -o alone.ndjson
    before=$(sessions)
    run -0 --separate-stderr "${SURVEY[@]}" -f list -o out.ndjson --workers 3 --status-file status
    same "$output$stderr" ""
    same "$(($(sessions) - before))" 42
    every_line_once out.ndjson 202
    run -0 diff <(jq -cS "$plain" alone.ndjson | sort) <(jq -cS "$plain" out.ndjson | sort)
    same "$(jq -r '"\(.state) \(.records) \(.verdicts.encrypted) \(.servers)"' status)" "finished 202 200 21"
    # one address one session at a time, and no second one before --pace
    printf '%s\n' polite.test polite2.test > two
    before=$SECONDS
    run -0 "${SURVEY[@]}" -f two -o polite.ndjson --key-types any --pace 3s --workers 2
    [ $((SECONDS - before)) -ge 2 ] || assert_fail "too fast" "$((SECONDS - before)) s"
}

# bats test_tags=fibers
@test "--workers: kill -9 of the survey ends its workers; --resume with workers does the rest, nothing finished twice" {
    local pid worker asked
    peer_start crawl '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 0.0.0.0:2529 'pause 700' 'send 220 mx' 'ehlo SIZE' serve
    printf '[127.4.0.%d]:2529\n' {1..12} > slow
    "${SURVEY[@]}" -f slow -o out.ndjson --concurrency 4 --workers 2 > said 2>&1 3>&- &
    pid=$!
    worker=$(workers "$pid" 2)
    wait_for_line out.ndjson '"seq":'
    kill -KILL "$pid"
    wait "$pid" || true
    all_gone "$worker"
    asked=$(wc -l < out.ndjson.cache)
    [ "$asked" -lt 12 ] || assert_fail "killed too late" "$asked"
    run -0 "${SURVEY[@]}" -f slow -o out.ndjson --workers 2 --resume
    every_line_once out.ndjson 12
    same "$(records out.ndjson .summary.verdict | sort | uniq -c | xargs)" "12 plaintext"
    # Ctrl-C to the whole group, as a terminal does it: what is in flight ends
    rm out.ndjson
    setsid "${SURVEY[@]}" -f slow -o out.ndjson --concurrency 4 --workers 2 > said 2>&1 3>&- &
    pid=$!
    worker=$(workers "$pid" 2)
    peer_wait_line crawl '^S16 '
    kill -INT -- "-$pid"
    asked=0
    wait "$pid" || asked=$?
    same "$asked" 130
    all_gone "$worker"
    same "$(records out.ndjson .summary.verdict | sort -u)" plaintext
    run -0 "${SURVEY[@]}" -f slow -o out.ndjson --workers 3 --resume
    every_line_once out.ndjson 12
}

# bats test_tags=fibers
@test "--workers: one that is killed is replaced and its sessions are had again; killed twice, they are unknown with the reason" {
    local pid worker
    # the first six clients wait for nothing, those after them are served
    peer_start stalled '^ready' "$ROOT/tests/peers/smtp_peer.py" --timeout 300 --listen 0.0.0.0:2528 \
        'send 220 mx' stall session 'send 220 mx' stall session 'send 220 mx' stall session \
        'send 220 mx' stall session 'send 220 mx' stall session 'send 220 mx' stall session 'send 220 mx' 'serve ehlo=SIZE'
    printf '[127.6.0.%d]:2528\n' {1..6} > stalled
    "${SURVEY[@]}" -f stalled -o out.ndjson --workers 1 --timeout 120s > said 2>&1 3>&- &
    pid=$!
    worker=$(workers "$pid" 1)
    peer_wait_line stalled '^S6 '
    kill -KILL "$worker"
    wait_for_line said "worker process $worker has ended .signal 9.: 6 sessions are begun again"
    wait "$pid"
    every_line_once out.ndjson 6
    same "$(records out.ndjson .summary.verdict | sort | uniq -c | xargs)" "6 plaintext"
    # twice
    peer_start dead '^ready' "$ROOT/tests/peers/smtp_peer.py" --timeout 300 --listen 0.0.0.0:2530 'send 220 mx' stall
    sed s/2528/2530/ stalled > dead
    "${SURVEY[@]}" -f dead -o out.ndjson --workers 1 --retries 0 --timeout 120s > said 2>&1 3>&- &
    pid=$!
    worker=$(workers "$pid" 1)
    peer_wait_line dead '^S6 '
    kill -KILL "$worker"
    peer_wait_line dead '^S12 '
    kill -KILL "$(workers "$pid" 1)"
    wait "$pid"
    every_line_once out.ndjson 6
    same "$(records out.ndjson '"\(.summary.verdict) \(.exchanges[0].hosts[0].status) \(.exchanges[0].hosts[0].error)"' | sort | uniq -c | xargs)" \
        "6 unknown unknown-error the worker process that had the session ended before it did"
}

# bats test_tags=fibers
@test "CSV of a list is a survey, too: one question for each server, rows that say what the records say, nothing left behind" {
    local before
    printf '%s\n' null.test 'bad..name' >> list
    before=$(sessions)
    run -0 "${SURVEY[@]}" -f list -o out.csv --workers 2 --key-types any --retries 0
    same "$(($(sessions) - before))" 21
    same "$(ls list out*)" $'list\nout.csv'
    run -0 "${SURVEY[@]}" -f list -o out.ndjson --key-types any --retries 0
    run -0 python3 -c '
import csv, json, sys
rows = list(csv.DictReader(open("out.csv")))
assert len({r["domain"] for r in rows}) == 202, len({r["domain"] for r in rows})
want = sorted((d["domain"], d["summary"]["verdict"], x["name"] or "", h.get("ip") or "") for d in map(json.loads, open("out.ndjson"))
    if d["type"] == "domain" for x in d["exchanges"] or [{"name": ""}] for h in x.get("hosts") or [{}])
got = sorted((r["domain"], r["verdict"], r["mx"], r["ip"]) for r in rows)
assert got == want, (got[:3], want[:3], len(got), len(want))'
    # as a table to a pipe, with its header
    run -0 --separate-stderr bash -c '"$@" | head -n 1' sh "${SURVEY[@]}" -f list --csv
    same "$output" "$(head -n 1 out.csv)"
    [[ $stderr == *'list:202: "bad..name" is no target'* ]] || assert_fail "line 202" "$stderr"
    run -64 "${SURVEY[@]}" -f list -o out.csv --dedupe-output
    has "records as JSON, no --pem"
}

# --- networks and fleets -----------------------------------------------------------------------------

# bats test_tags=fibers
@test "port 25 is intercepted: one host greets for unrelated ones, the survey stops and says so, status 69 (DECISIONS C23)" {
    printf '%s\n' d0.test v1.test n1.test >> list
    run -69 --separate-stderr "${SURVEY[@]}" -f list -o out.ndjson --retries 0
    [[ $stderr == *"your network blocks or intercepts port 25: unrelated servers all greet with the name of one host"* ]] ||
        assert_fail "no reason" "$stderr"
    # once, and the file is valid as far as it goes; nothing that was seen behind a proxy is a record
    same "$(grep -c 'port 25' <<< "$stderr")" 1
    same "$(head -n 1 out.ndjson | jq -r .type)" meta
    [ "$(records out.ndjson .seq | wc -l)" -lt 203 ] || assert_fail "it went on to its end" "$(wc -l < out.ndjson)"
}

# bats test_tags=fibers
@test "port 25 is blocked: two networks do not answer and nobody else does, status 69 before the others are asked" {
    # what goes there is dropped
    ip route add 203.0.113.0/24 dev lo src 192.0.2.1
    ip route add 198.18.0.0/15 dev lo src 192.0.2.1
    printf '[203.0.113.1]\n[198.18.1.1]\n' > dropped
    printf '[198.18.%d.1]\n' {2..60} >> dropped
    run -69 --separate-stderr "${SURVEY[@]}" -f dropped -o out.ndjson --retries 0 --concurrency 2 --timeout 2s
    [[ $stderr == *"your network blocks or intercepts port 25: no server answered"* ]] || assert_fail "no reason" "$stderr"
    [ "$(records out.ndjson .seq | wc -l)" -lt 4 ] || assert_fail "too late" "$(records out.ndjson .seq | wc -l)"
    # one that does not answer says nothing about the network
    run -0 "${SURVEY[@]}" -f - -o one.ndjson --retries 0 --timeout 1s < <(head -n 1 dropped)
    same "$(records one.ndjson '.exchanges[0].hosts[0].status')" connection-timeout
    ip route del 203.0.113.0/24 dev lo
    ip route del 198.18.0.0/15 dev lo
}

@test "the Slurm job array of the manual is a script, and its tasks are all shards" {
    local task
    sed -n '/^As a Slurm job array/,/^\.Ed/p' "$ROOT/man/mxtls-probe.1" | sed -n '/^#!/,/^\.Ed/p' | sed '$d; s/\\e$/\\/; s/\\-/-/g' > survey.sh
    same "$(head -n 1 survey.sh)" '#!/bin/sh'
    run -0 bash -n survey.sh
    cp list domains.txt
    sed -i "s|^mxtls probe|${SURVEY[*]}|" survey.sh
    for task in {1..8}; do SLURM_ARRAY_TASK_ID=$task timeout 100 sh survey.sh; done
    cat survey.*.ndjson > all.ndjson
    every_line_once all.ndjson 200
    same "$(jq -r 'select(.type == "meta") | .shard' all.ndjson | sort | xargs)" "1/8 2/8 3/8 4/8 5/8 6/8 7/8 8/8"
    # a task that is started again goes on, and does nothing twice
    SLURM_ARRAY_TASK_ID=3 timeout 100 sh survey.sh
    cat survey.*.ndjson > all.ndjson
    every_line_once all.ndjson 200
}

# Two hosts that are this one: sshd at 127.0.0.11 and 127.0.0.12.
sshd_start() {
    ssh-keygen -q -t ed25519 -N '' -f "$BOX/ssh_key"
    ssh-keygen -q -t ed25519 -N '' -f "$BOX/ssh_host"
    mkdir -p /run/sshd
    echo 'sshd:x:64060:65534::/run/sshd:/usr/sbin/nologin' >> /etc/passwd
    cat > "$BOX/sshd_config" << CONF
ListenAddress 127.0.0.11
ListenAddress 127.0.0.12
HostKey $BOX/ssh_host
AuthorizedKeysFile $BOX/ssh_key.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
CONF
    printf '%s\n' '#!/bin/sh' "exec ssh -F none -o IdentityFile=$BOX/ssh_key -o StrictHostKeyChecking=no \
-o UserKnownHostsFile=$BOX/known_hosts -o LogLevel=ERROR \"\$@\"" > "$BOX/ssh"
    chmod 755 "$BOX/ssh"
    deb_command openssh-server sshd
    peer_start sshd 'Server listening on 127.0.0.12' "${DEB_COMMAND[@]}" -D -e -f "$BOX/sshd_config"
}

@test "GNU parallel runs the shards on several hosts by ssh, as the manual says" {
    sshd_start
    deb_command parallel parallel
    export PARALLEL_SSH=$BOX/ssh PARALLEL_HOME=$BOX/parallel LC_ALL=C
    mkdir -p "$PARALLEL_HOME" && touch "$PARALLEL_HOME/will-cite"
    # the words of the manual, with these hosts, this program and its options for this farm
    recipe=$(sed -n '/^parallel -j 1/,/^cat /p' "$ROOT/man/mxtls-probe.1" | sed 's/\\e$/\\/; s/\\-/-/g')
    has_recipe=$(grep -c . <<< "$recipe")
    [ "$has_recipe" -ge 3 ] || assert_fail "no recipe in the manual" "$recipe"
    cp list domains.txt
    recipe=${recipe//host1,host2/127.0.0.11,127.0.0.12}
    recipe=${recipe//mxtls probe/${SURVEY[*]}}
    recipe=${recipe//parallel -j/${DEB_COMMAND[*]} -j}
    run -0 timeout 100 bash -c "$recipe"
    every_line_once survey.ndjson 200
    same "$(jq -r 'select(.type == "meta") | .shard' survey.ndjson | sort | xargs)" "1/4 2/4 3/4 4/4"
    # both hosts had their part
    file_has "$(peer_log sshd)" "on 127.0.0.11 port 22"
    file_has "$(peer_log sshd)" "on 127.0.0.12 port 22"
}
