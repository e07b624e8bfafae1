# What a queue must survive: a message that kills its runner, a full disk, and more mail than it may hold (Q12, Q14, Q3).
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send
load lib/queue
load lib/listen

setup_file() {
    certs_make
    message_make
    queue_zone | dns_start
    mx home 69 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve'
}

setup() {
    queue_new
}

# poisoned: a run that dies over what goes to poison@.
poisoned() {
    local library
    library=$(dirname "$MXTLS")/tests/torture/poison.so
    [ -e "$library" ] || make -s -C "$ROOT" "B=$(dirname "$MXTLS")" "$library"
    # the library comes before the sanitizers' own
    run env LD_PRELOAD="$library" TORTURE_POISON='RCPT TO:<poison@' ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" \
        timeout 60 "$MXTLS" queue run --all --queue "$Q" --timeout 5s
}

@test "Q12: a message that kills its runner is held after three times, and says why; those beside it go out" {
    mx many 30 'send 220 mx' 'serve'
    local i poison
    put poison@d30.test
    poison=$ID
    for i in {1..4}; do put "u$i@d30.test"; done
    poisoned # alone, to see whether anybody is there
    same "$status" 74
    has "died (wait status"
    has_not "held"
    same "$(of "$poison" .held)" false
    # from now on the others come first
    poisoned
    has "queue file $poison: process "
    has "1 of 3 times"
    same "$(queued) $(rcpts many)" "1 u1@d30.test u2@d30.test u3@d30.test u4@d30.test"
    poisoned
    has "2 of 3 times"
    poisoned
    same "$status" 0
    has "queue file $poison: held: 3 times the process that worked on it died"
    same "$(of "$poison" '.held, .recipients[0].status' | xargs)" "true pending"
    queue 0 list
    has "    held: 3 times the process that worked on it died: release tries it again"
    queue 0 show "$poison"
    has "held: 3 times"
    queue 1 check
    has "a message is held since its delivery crashes"
    poisoned
    same "$status" 0
    queue 0 release "$poison"
    same "$(of "$poison" '.held, .held_reason' | xargs)" "false null"
    queue 0 run --all
    same "$(queued) $(journals) $(rcpts many)" "0 0 poison@d30.test u1@d30.test u2@d30.test u3@d30.test u4@d30.test"
}

# bats test_tags=fibers
@test "Q12: what was under way beside it is cleared when it comes through, or fails in the ordinary way" {
    # the first two wait for their answer while the third kills
    mx some 31 'send 220 mx' 'serve rcpt:late=450 4.2.0 later' 'session' 'pause 2000' 'send 220 mx' \
        'serve rcpt:late=450 4.2.0 later'
    local poison late
    put first@d31.test
    put late@d31.test
    late=$ID
    put poison@d31.test
    poison=$ID
    poisoned
    poisoned
    poisoned
    poisoned
    same "$(of "$poison" .held)" true
    same "$(of "$late" '.held, .recipients[0].reason' | xargs)" "false 450 4.2.0 later"
}

@test "Q12: neither temporary failures nor TERM count; a runner that is killed does, once" {
    mx stuck 32 'stall'
    local how runner child
    put a@d32.test
    for how in TERM KILL; do
        "$MXTLS" queue run --all --queue "$Q" 3>&- &
        runner=$!
        for _ in $(seq 200); do [ "$(q .active)" = true ] && break; read -rt 0.1 <> <(:) || true; done
        same "$how $(q .active)" "$how true"
        child=$(pgrep -P "$runner")
        if [ "$how" = KILL ]; then
            kill -KILL "$runner" "$child"
            wait "$runner" || true
        else
            kill "$runner"
            end_of "$runner"
        fi
        timeout 20 tail --pid="$child" -s 0.1 -f /dev/null
    done
    peer_stop stuck
    queue 0 run --all
    has "process $child died while it worked on it: 1 of 3 times"
    same "$(grep -c died <<< "$output")" 1
    # that one was tried, and failed as ever
    for _ in 1 2 3; do
        queue 0 run --all
        has_not died
    done
    same "$(q .held)" false
}

# put_more STATUS OPTION...: one more message into the queue.
put_more() {
    local want=$1
    shift
    run "-$want" --separate-stderr "$MXTLS" send --delivery queue --queue "$Q" "$@" -f alice@client.test bob@d33.test < "$MESSAGE"
}

@test "Q14: a queue has a bound in messages, bytes and free space: 75, the reason, and nothing stored" {
    local i
    for i in 1 2 3; do put_more 0 --queue-max-messages 3; done
    put_more 75 --queue-max-messages 3
    [[ $stderr == *"the queue is full: 3 messages wait, and there may be 3 (queue-max-messages)"* ]] || assert_fail "reason" "$stderr"
    put_more 75 --queue-max-bytes 1000
    [[ $stderr == *"bytes wait, "*" came, and there may be 1000 (queue-max-bytes)"* ]] || assert_fail "reason" "$stderr"
    same "$(find "$Q/q" "$Q/tmp" -type f | wc -l)" 3
    # what goes makes room; a count that is wrong, or gone, is put right by the next run
    queue 0 remove --all
    put_more 0 --queue-max-messages 1
    rm "$Q/count"
    put_more 0 --queue-max-messages 1
    queue 0 run
    put_more 75 --queue-max-messages 2
    printf '\377\377\377\377\377' | dd of="$Q/count" conv=notrunc status=none
    put_more 75
    queue 0 run
    put_more 0 --queue-max-messages 3
    # of mxtls.conf
    printf 'queue-max-messages = 3\n' > "$BATS_TEST_TMPDIR/conf"
    put_more 75 --config "$BATS_TEST_TMPDIR/conf"
    put_more 0 --config "$BATS_TEST_TMPDIR/conf" --queue-max-messages 0 --queue-max-bytes 0
}

@test "Q14: reports are not refused by the bound" {
    mx refuse 34 'send 220 mx' 'serve rcpt=550 5.1.1 no'
    run -0 "$MXTLS" send --delivery queue --queue "$Q" --queue-max-messages 1 -f "nobody@d35.test" bob@d34.test < "$MESSAGE"
    printf 'queue-max-messages = 1\nqueue-max-bytes = 100\n' > "$BATS_TEST_TMPDIR/conf"
    queue 0 run --config "$BATS_TEST_TMPDIR/conf"
    same "$(queued) $(q '.recipients[0].recipient')" "1 nobody@d35.test"
}

@test "Q14: listen --deliver queue: 452 4.3.1, with SIZE= at DATA, without behind the text" {
    local option
    for option in '--queue-max-messages 0' '--workers 1'; do
        # shellcheck disable=SC2086 # two words
        listen_start "bound${option:2:1}" --tls off --relay-from 192.0.2.0/24 --deliver queue --queue "$Q" --queue-max-bytes 3000 \
            $option 192.0.2.60:25
        run -0 python3 - << 'PY'
import smtplib
s = smtplib.SMTP("192.0.2.60", 25, "client.box.test", 20, ("192.0.2.1", 0))
s.ehlo()
def mail(n, size):
    s.mail("a@client.test", ["SIZE=%d" % n] if size else [])
    s.rcpt("b@d36.test")
    code, text = s.docmd("DATA")
    if code == 354:
        s.send(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * (n // 72) + b".\r\n")
        code, text = s.getreply()
    else:
        code += 1000
    print(n, size, code, text.decode())
    s.rset()
mail(100, True)
mail(4000, True)
mail(4000, False)
mail(100, False)
PY
        matches '^100 True 250 '
        matches '^4000 True 1452 4\.3\.1 the queue is full: [0-9]+ bytes wait'
        matches '^4000 False 452 4\.3\.1 the queue is full'
        matches '^100 False 250 '
        listen_stop_all
        same "$(queued) $(find "$Q/tmp" -type f | wc -l)" "2 0"
        queue 0 remove --all
    done
}

# small_disk OPTIONS: the queue on a disk of its own...
small_disk() {
    mkdir -p "$BATS_TEST_TMPDIR/small"
    mount -t tmpfs -o "$1" small "$BATS_TEST_TMPDIR/small"
    Q=$BATS_TEST_TMPDIR/small/queue
}

# ... and now it is full to the last byte.
fill_up() {
    dd if=/dev/zero of="$BATS_TEST_TMPDIR/small/fill" bs=4k 2> /dev/null || true
    if head -c 4096 /dev/zero 2> /dev/null >> "$BATS_TEST_TMPDIR/small/fill"; then assert_fail "not full" "$(df "$BATS_TEST_TMPDIR/small")"; fi
}

@test "Q3: on a full disk the queue is run: what has one recipient goes out, and makes room" {
    mx one 37 'send 220 mx' 'serve rcpt:late=450 4.2.0 later'
    small_disk size=1m
    put a@d37.test
    put late@d37.test
    put b@d37.test
    # it was never run: neither lock nor last-run nor dest/ has a file
    fill_up
    queue 74 run
    has "last-run: No space left on device; the queue is run all the same"
    # what became of the one that was deferred had no place, perhaps: it is tried again sooner
    same "$(queued) $(rcpts one)" "1 a@d37.test b@d37.test late@d37.test"
    same "$(q '.recipients[0] | .status, .recipient' | xargs)" "pending late@d37.test"
    rm "$BATS_TEST_TMPDIR/small/fill"
    queue 0 run --all
    same "$(q '.recipients[0] | .status, .reason' | xargs)" "pending 450 4.2.0 later"
    umount "$BATS_TEST_TMPDIR/small"
}

@test "Q3: a message for several writes down who got it, in what was kept back; without it is not tried, and not lost" {
    mx some 38 'send 220 mx' 'serve rcpt:late=450 4.2.0 later'
    small_disk size=1m
    put a@d39.test # nobody there
    queue 0 run
    [ -s "$Q/ballast" ]
    put b@d38.test late@d38.test
    fill_up
    queue 0 run
    has "what was kept back is used now"
    [ ! -e "$Q/ballast" ]
    same "$(rcpts some)" "b@d38.test late@d38.test"
    same "$(of "$ID" '.recipients[].status' | xargs)" "delivered pending"
    # all is used up
    rm "$BATS_TEST_TMPDIR/small/fill"
    put c@d38.test late@d38.test
    fill_up
    queue 74 run
    has "No space left on device"
    same "$(rcpts some)" "b@d38.test late@d38.test"
    same "$(of "$ID" '.recipients[].status' | xargs)" "pending pending"
    rm "$BATS_TEST_TMPDIR/small/fill"
    queue 0 run
    same "$(rcpts some)" "b@d38.test c@d38.test late@d38.test late@d38.test"
    [ -s "$Q/ballast" ]
    umount "$BATS_TEST_TMPDIR/small"
}

@test "Q3: no inode is left: neither lock nor state can be made, and it is delivered all the same" {
    mx inodes 40 'send 220 mx' 'serve'
    local i
    small_disk size=1m,nr_inodes=40
    put a@d40.test
    put b@d40.test
    for i in {1..40}; do : > "$BATS_TEST_TMPDIR/small/x$i" || break; done 2> /dev/null
    queue 0 run
    same "$(queued) $(rcpts inodes)" "0 a@d40.test b@d40.test"
    umount "$BATS_TEST_TMPDIR/small"
}
