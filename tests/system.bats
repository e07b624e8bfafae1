# System mode: mxtls-submit, setgid and trusted with nothing, and the runner, who trusts nothing it wrote (DECISIONS A1-A4, E31, E37).
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send
load lib/system

setup_file() {
    certs_make
    message_make
    example_zone | dns_start
    mx good 45 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve rcpt:nobody=550 5.1.1 who'
    system_install
    printf 'maildomain = example.test\nca-file = %s\n' "$CERTS/root.crt" > /etc/mxtls/mxtls.conf
    chmod 755 "$BATS_FILE_TMPDIR" "$CERTS" /run/box/etc-mxtls
    chmod 644 "$CERTS/root.crt" "$MESSAGE" /etc/mxtls/mxtls.conf
}

setup() {
    system_clear
}

teardown() {
    if [ -n "${RUNNER:-}" ]; then runner_stop; fi
    if mountpoint -q "$INCOMING"; then umount "$INCOMING"; fi
    sed -i '/^local\|^max-size\|^queue-max/d' /etc/mxtls/mxtls.conf
}

sent() {
    tr -d '\r' < "$BATS_FILE_TMPDIR/S$(sessions good).1"
}

envelope() {
    sed -n "s/^S$(sessions good) C: \(MAIL FROM:\|RCPT TO:\)<\([^>]*\)>.*/\2/p" "$(peer_log good)" | xargs
}

# taken_after N: wait until the server had more than N sessions.
taken_after() {
    local _
    for _ in $(seq 300); do
        if [ "$(sessions good)" -gt "$1" ]; then return; fi
        read -rt 0.1 <> <(:) || true
    done
    assert_fail "nothing was sent" "$(cat "$RUNNER_LOG" /run/box/runner.out)"
}

@test "mxtls-submit is setgid and needs libc alone; mxtls refuses to be setgid, with 77 (A1)" {
    same "$(stat -c '%a %G' "$USR/libexec/mxtls-submit")" "2755 mxtls"
    same "$(readlink "$USR/sbin/sendmail")" "$USR/libexec/mxtls-submit"
    run -0 readelf -d "$USR/libexec/mxtls-submit"
    same "$(sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' <<< "$output" | grep -vE '^lib([atu]b?san|m|gcc_s|pthread|dl|rt)\.so')" libc.so.6
    same "$(stat -c '%a %U %G' "$S" "$INCOMING" /var/lib/mxtls | xargs)" "710 mxtls mxtls 1770 mxtls mxtls 700 mxtls mxtls"
    cp "$USR/bin/mxtls" /run/box/setgid-mxtls
    chgrp mxtls /run/box/setgid-mxtls
    chmod 2755 /run/box/setgid-mxtls
    run -77 as alice /run/box/setgid-mxtls --version
    has "must not be installed setuid or setgid"
    rm /run/box/setgid-mxtls
}

@test "a user's message goes through incoming/ and the runner to the server, with his name as sender (A1)" {
    local before
    before=$(sessions good)
    runner_start
    printf 'To: bob@example.test\nBcc: carl@example.test\nSubject: hi\n\nhello\n.\nlost\n' > /run/box/text
    run -0 --separate-stderr as alice sendmail -t < /run/box/text
    same "$output$stderr" ""
    taken_after "$before"
    same "$(envelope)" "alice@example.test bob@example.test carl@example.test"
    run -0 sent
    has "From: Alice Example <alice@example.test>"
    has "Date: "
    has "Message-ID: "
    has_not Bcc
    has_not lost
    settle
    same "$(find "$S/q" -type f | wc -l)" 0
    file_has "$RUNNER_LOG" "from uid 64101 (alice)"
    file_has "$RUNNER_LOG" "a line of one dot ended the message"
}

@test "what is wrong with the command line or the addresses is told by sysexits, and nothing is stored (E31)" {
    run -64 --separate-stderr as alice sendmail < "$MESSAGE"
    [[ $stderr == "sendmail: no recipient"* ]] || assert_fail stderr "$stderr"
    run -64 as alice sendmail -t <<< $'Subject: x\n\ntext'
    run -65 as alice sendmail 'bob@' < "$MESSAGE"
    run -65 as alice sendmail -f 'a@x, b@y' bob@example.test < "$MESSAGE"
    run -64 as alice sendmail --log /run/box/new bob@example.test < "$MESSAGE"
    run -64 as alice sendmail --config=/dev/null bob@example.test < "$MESSAGE"
    run -69 as alice sendmail -bd < "$MESSAGE"
    [ ! -e /run/box/new ]
    same "$(find "$INCOMING" -mindepth 1)" ""
}

@test "-X, -C, -D, -oQ and -OQueueDirectory name no file: ignored, and logged by the runner (A3)" {
    run -0 as alice sendmail -odq -X /run/box/x -C/nonexistent -D/run/box/y -oQ/run/box/z -OQueueDirectory=/run/box/z \
        -i bob@example.test < "$MESSAGE"
    run -0 run_queue
    [ ! -e /run/box/x ] && [ ! -e /run/box/y ] && [ ! -e /run/box/z ]
    file_has "$RUNNER_LOG" "option -X/run/box/x ignored"
    file_has "$RUNNER_LOG" "option -C/nonexistent ignored"
    file_has "$RUNNER_LOG" "option -oQ/run/box/z ignored"
    file_has "$RUNNER_LOG" "option -OQueueDirectory=/run/box/z ignored"
}

@test "-odi waits for the result: delivered is 0, refused is 67 with a report, with -oep text and no report (E31)" {
    runner_start
    run -0 --separate-stderr as alice sendmail -odi -i bob@example.test < "$MESSAGE"
    same "$output$stderr" ""
    same "$(envelope)" "alice@example.test bob@example.test"
    run -67 --separate-stderr as alice sendmail -odi -i nobody@example.test < "$MESSAGE"
    [[ $stderr == *"nobody@example.test"*550* ]] || assert_fail stderr "$stderr"
    run -67 --separate-stderr as alice sendmail -odi -oep -i nobody@example.test < "$MESSAGE"
    [[ $stderr == *"nobody@example.test"*550* ]] || assert_fail stderr "$stderr"
    run -0 --separate-stderr as alice sendmail -odi -oee -i nobody@example.test < "$MESSAGE"
    settle
    same "$(find "$INCOMING" -mindepth 1)" ""
}

@test "-v shows the dialogue and waits; the file of the submission is gone" {
    runner_start
    run -0 --separate-stderr as alice sendmail -v -i bob@example.test < "$MESSAGE"
    [[ $stderr == *"MAIL FROM:<alice@example.test>"* ]] || assert_fail stderr "$stderr"
    same "$(find "$INCOMING" -mindepth 1)" ""
}

@test "without a runner the message is kept with status 0; when none ran for an hour it is said what to do (E31)" {
    rm -f "$S/last-run"
    run -0 --separate-stderr as alice sendmail -i bob@example.test < "$MESSAGE"
    [[ $stderr == *"is kept, but nobody runs the queue"*mxtls-queue.service* ]] || assert_fail stderr "$stderr"
    run -0 mailq
    has "1 in incoming wait for the runner"
    # -odi, too, since nobody could answer
    run -0 as alice sendmail -odi -i bob@example.test < "$MESSAGE"
    run -0 run_queue
    same "$(submissions)" 0
    run -0 --separate-stderr as alice sendmail -i bob@example.test < "$MESSAGE"
    same "$stderr" ""
    touch -d '2 hours ago' "$S/last-run"
    run -0 --separate-stderr as alice sendmail -i bob@example.test < "$MESSAGE"
    [[ $stderr == *"for an hour nobody runs the queue"* ]] || assert_fail stderr "$stderr"
}

@test "-q of a user wakes the runner and is 0 at once; what waited is delivered" {
    local before
    before=$(sessions good)
    runner_start
    run -0 as alice sendmail -odq -i bob@example.test < "$MESSAGE"
    same "$(submissions)" 1
    run -0 --separate-stderr as alice sendmail -q
    same "$output$stderr" ""
    taken_after "$before"
    settle
}

@test "mailq of a user lists his own messages; root and mxtls see all; without a runner it says so" {
    local name
    runner_start
    for name in alice bob; do
        run -0 as "$name" sendmail -i "to-$name@[192.0.2.200]" < "$MESSAGE"
    done
    settle
    run -0 --separate-stderr as alice mailq
    has "to-alice@[192.0.2.200]"
    has_not "to-bob@"
    run -0 --separate-stderr as bob sendmail -bp
    has "to-bob@[192.0.2.200]"
    has_not "to-alice@"
    for name in root mxtls; do
        run -0 as "$name" mailq
        has "to-alice@"
        has "to-bob@"
    done
    run -0 as vmail mailq
    has_not "@[192.0.2.200]"
    runner_stop
    run -75 --separate-stderr as alice mailq
    [[ $stderr == *"the runner of the queue"*"is not there"* ]] || assert_fail stderr "$stderr"
    same "$(find "$INCOMING" -mindepth 1)" ""
}

@test "-bs, -bv and newaliases are mxtls with the caller's rights; -bs goes through mxtls-submit again (A1)" {
    local before
    before=$(sessions good)
    runner_start
    printf 'EHLO x\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nSubject: bs\r\n\r\nhi\r\n.\r\nQUIT\r\n' > /run/box/dialogue
    run -0 as alice sendmail -bs < /run/box/dialogue
    has "354 "
    same "$(grep -c '^250 2.0.0' <<< "$output")" 1
    taken_after "$before"
    same "$(envelope)" "alice@example.test bob@example.test"
    run -0 sent
    has "Subject: bs"
    run -0 as alice sendmail -bv bob@example.test
    has "bob@example.test... deliverable"
    run -0 as alice newaliases
    settle
}

# plant: a submission as somebody wrote it who has the group and no business with it.
plant() {
    as alice sendmail -odq -i bob@example.test < "$MESSAGE"
    PLANTED=$(find "$INCOMING" -type f -printf '%f\n')
}

@test "in incoming/ only a regular file with one name, whole, and of the user it names, counts: nothing else is read or sent" {
    local before id p PLANTED
    before=$(sessions good)
    echo "secret of root" > /run/box/secret
    chmod 600 /run/box/secret
    plant
    id=$PLANTED
    mv "$INCOMING/$id" /run/box/good
    # names of the others: valid, and not that one
    case $id in *y?) p=${id%??}z ;; *) p=${id%??}y ;; esac
    # a link to a secret, a FIFO, a folder, a device
    ln -s /run/box/secret "$INCOMING/${p}1"
    mkfifo "$INCOMING/${p}2"
    mkdir "$INCOMING/${p}3"
    mknod "$INCOMING/${p}4" c 1 3
    # another name of a file of the queue's owner
    touch "$S/own" && chown mxtls:mxtls "$S/own" && ln "$S/own" "$INCOMING/${p}5"
    # a good one with another owner, under another name, writable for the group, torn, empty
    install -m 640 -o bob -g mxtls /run/box/good "$INCOMING/$id"
    install -m 640 -o alice -g mxtls /run/box/good "$INCOMING/${p}6"
    install -m 660 -o alice -g mxtls /run/box/good "$INCOMING/${p}7"
    head -c 100 /run/box/good | install -m 640 -o alice -g mxtls /dev/stdin "$INCOMING/${p}8"
    install -m 640 -o alice -g mxtls /dev/null "$INCOMING/${p}9"
    sed 's/hello/hullo/I' /run/box/good | install -m 640 -o alice -g mxtls /dev/stdin "$INCOMING/${p}a"
    # unreadable for the runner
    install -m 600 -o alice -g alice /run/box/good "$INCOMING/${p}b"
    run -0 run_queue
    same "$(find "$INCOMING" -mindepth 1)" ""
    same "$(find "$S/q" -type f)" ""
    same "$(sessions good)" "$before"
    same "$(cat /run/box/secret)" "secret of root"
    file_has "$RUNNER_LOG" "says uid 64101, but is owned by 64102"
    file_has "$RUNNER_LOG" "has other names"
    # and the next good one goes through
    run -0 as alice sendmail -odq -i bob@example.test < "$MESSAGE"
    run -0 run_queue
    same "$(sessions good)" $((before + 1))
}

@test "a user reaches neither the queue nor what others submitted" {
    as alice sendmail -odq -i bob@example.test < "$MESSAGE"
    run -2 as bob ls "$INCOMING"
    run -1 as bob cat "$INCOMING/$(ls "$INCOMING")"
    run -2 as alice ls "$S/q"
    # also with the group: the file belongs to alice, and the directory lets nobody take away what is another's
    run -1 setpriv --reuid bob --regid bob --groups mxtls rm -f "$INCOMING/$(ls "$INCOMING")"
    same "$(submissions)" 1
    run -2 setpriv --reuid bob --regid bob --groups mxtls ls "$S/q"
}

@test "what its caller inherits to it does not matter: environment, descriptors, limits, signals (A6)" {
    local before id
    cat > /run/box/preload.c << 'C'
#include <fcntl.h>
__attribute__((constructor)) static void loaded(void) { creat("/run/box/loaded/by-env", 0666); }
C
    mkdir -p /run/box/loaded && chmod 777 /run/box/loaded
    cc -shared -fPIC -o /run/box/preload.so /run/box/preload.c
    run -0 as alice env LD_PRELOAD=/run/box/preload.so true
    [ -e /run/box/loaded/by-env ]
    rm /run/box/loaded/by-env
    run -0 as alice env LD_PRELOAD=/run/box/preload.so LD_LIBRARY_PATH=/run/box MALLOC_TRACE=/run/box/loaded/trace \
        TZ=/run/box/secret LOCALDOMAIN=x TMPDIR=/run/box/loaded sendmail -odq -i bob@example.test < "$MESSAGE"
    # env itself was started with it, so only what came afterwards counts
    rm -f /run/box/loaded/by-env
    run -0 as alice sh -c 'export LD_PRELOAD=/run/box/preload.so; exec sendmail -odq -i bob@example.test' < "$MESSAGE"
    [ ! -e /run/box/loaded/by-env ]
    same "$(find /run/box/loaded -type f)" ""
    # without standard input there is no message; without the others there is
    run -66 as alice sh -c 'exec sendmail -odq -i bob@example.test <&- >&- 2>&-'
    run -0 as alice sh -c 'exec sendmail -odq -i bob@example.test >&- 2>&-' < "$MESSAGE"
    # a limit of one block, where it can be raised and where not; nothing is left of it
    run -75 as alice sh -c 'ulimit -f 0; exec sendmail -odq -i bob@example.test' < "$MESSAGE"
    run -0 as alice sh -c 'ulimit -S -f 0; exec sendmail -odq -i bob@example.test' < "$MESSAGE"
    # SIGPIPE, SIGCHLD and the like ignored, everything blocked
    run -0 as alice python3 -c '
import os, signal
for s in range(1, 32):
    if s not in (9, 19): signal.signal(s, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
os.execlp("sendmail", "sendmail", "-odq", "-i", "bob@example.test")' < "$MESSAGE"
    same "$(find "$INCOMING" -mindepth 1 -name 'tmp.*')" ""
    before=$(sessions good)
    run -0 run_queue
    taken_after "$before"
}

@test "a full disk while the message is read: 75, and nothing is left" {
    mount -t tmpfs -o size=64k,mode=1770,uid=64020,gid=64020 small "$INCOMING"
    head -c 300000 /dev/zero | tr '\0' x > /run/box/big
    run -75 --separate-stderr as alice sendmail -odq -i bob@example.test < /run/box/big
    [[ $stderr == *"No space left"* ]] || assert_fail stderr "$stderr"
    same "$(find "$INCOMING" -mindepth 1)" ""
}

@test "too many recipients, a huge command line, a message above the limit: an error, and nothing is stored" {
    local many
    many=$(seq -f 'u%g@example.test' -s , 11000)
    printf 'Bcc: %s\n\ntext\n' "$many" > /run/box/many
    run -65 as alice sendmail -odq -t < /run/box/many
    run -65 as alice sh -c 'exec sendmail -odq -i $(seq -f "u%g@example.test" 11000)' < "$MESSAGE"
    run -64 --separate-stderr as alice python3 -c '
import os
os.execlp("sendmail", "sendmail", "-odq", "-i", "bob@example.test", *["\x01" * 100000] * 15)' < "$MESSAGE"
    [[ $stderr == *"command line has more than"* ]] || assert_fail stderr "$stderr"
    head -c 101000000 /dev/zero | tr '\0' '\n' > /run/box/big
    run -65 as alice sendmail -odq -i bob@example.test < /run/box/big
    rm /run/box/big
    same "$(find "$INCOMING" -mindepth 1)" ""
}

@test "what can never be sent, found out by the runner, goes back to its sender" {
    echo 'max-size = 1k' >> /etc/mxtls/mxtls.conf
    runner_start
    { cat "$MESSAGE" && head -c 3000 /dev/zero | tr '\0' '\n'; } > /run/box/big
    run -0 as alice sendmail -i -f alice@example.test bob@example.test < /run/box/big
    settle
    local _
    for _ in $(seq 300); do
        if [ "$(envelope)" = alice@example.test ]; then break; fi
        read -rt 0.1 <> <(:) || true
    done
    run -0 sent
    has "Undelivered mail returned to sender"
    same "$(find "$S/q" -type f)" ""
}

@test "a hundred at once: no message is lost, none goes twice" {
    local before i n=100
    before=$(sessions good)
    runner_start
    for i in $(seq "$n"); do
        as alice sendmail -i -f "a$i@example.test" "u$i@example.test" < "$MESSAGE" 3>&- &
        PIDS+=" $!"
    done
    for i in $PIDS; do wait "$i"; done
    settle
    for _ in $(seq 600); do
        if [ "$(find "$S/q" -type f | wc -l)" = 0 ]; then break; fi
        read -rt 0.1 <> <(:) || true
    done
    sessions good > /dev/null
    same "$(sed -nE 's/^S[0-9]+ C: RCPT TO:<(u[0-9]+)@.*/\1/p' "$(peer_log good)" | sort | uniq -c | awk '$1 == 1' | wc -l)" "$n"
    same "$(find "$S/q" "$S/corrupt" -type f)" ""
}

@test "a runner started as root works as mxtls, and only the child that writes a mailbox becomes its user (A2)" {
    mkdir -p /run/box/mail
    printf 'local = mbox:/run/box/mail\n' >> /etc/mxtls/mxtls.conf
    RUNNER_AS=root runner_start
    same "$(ps -o ruser=,euser= -p "$RUNNER" | xargs)" "root mxtls"
    same "$(stat -c %U "$S/wake" "$S/run.lock" | sort -u)" mxtls
    run -0 as bob sendmail -i alice < "$MESSAGE"
    settle
    for _ in $(seq 300); do
        if [ -s /run/box/mail/alice ]; then break; fi
        read -rt 0.1 <> <(:) || true
    done
    same "$(stat -c %U /run/box/mail/alice)" alice
    file_has /run/box/mail/alice "Hello Bob."
    # cron's own way, which waits: the mailbox is the runner's to write to
    run -0 as root sendmail -FCronDaemon -i -odi -oem -oi -t -f root <<< $'To: bob\nSubject: cron\n\njob'
    for _ in $(seq 300); do
        if [ -s /run/box/mail/bob ]; then break; fi
        read -rt 0.1 <> <(:) || true
    done
    file_has /run/box/mail/bob "Subject: cron"
}

@test "stopped while it reads the message: 75, and nothing is left; killed: a part that is swept after 36 hours (E37)" {
    local pid part signal alice=(setpriv --reuid alice --regid alice --clear-groups --)
    mkfifo /run/box/slow
    for signal in TERM INT HUP; do
        "${alice[@]}" env --default-signal="$signal" sendmail -odq -i bob@example.test < /run/box/slow 3>&- &
        pid=$!
        exec 8> /run/box/slow
        echo "Subject: x" >&8
        for _ in $(seq 300); do
            if [ -n "$(find "$INCOMING" -name 'tmp.*')" ]; then break; fi
            read -rt 0.1 <> <(:) || true
        done
        kill -s "$signal" "$pid"
        end_of "$pid"
        exec 8>&-
        same "$signal $ENDED" "$signal 75"
        same "$(find "$INCOMING" -mindepth 1)" ""
    done
    "${alice[@]}" sendmail -odi -i bob@example.test < /run/box/slow 3>&- &
    pid=$!
    exec 8> /run/box/slow
    for _ in $(seq 300); do
        if [ -n "$(find "$INCOMING" -name 'reply.*')" ]; then break; fi
        read -rt 0.1 <> <(:) || true
    done
    kill -s KILL "$pid"
    end_of "$pid"
    exec 8>&-
    part=$(find "$INCOMING" -type f)
    [[ $part == */tmp.* ]] || assert_fail "what is left" "$part"
    run -0 run_queue
    [ -e "$part" ]
    touch -d '40 hours ago' "$INCOMING"/*
    run -0 run_queue
    same "$(find "$INCOMING" -mindepth 1)" ""
}

# incoming_of USER N: files of his that wait there, as if he had put them in.
incoming_of() {
    (cd "$INCOMING" && seq -f "tmp.x$1%.0f" "$2" | xargs setpriv --reuid "$1" --regid "$1" --groups mxtls touch --)
}

@test "one user cannot fill up incoming/ for the others; nor all of them the disk: 75, and nothing is stored (Q14)" {
    incoming_of alice 5000
    run -75 --separate-stderr as alice sendmail -odq -i bob@example.test < "$MESSAGE"
    [[ $stderr == *"5000 of your messages wait for the runner of the queue, and there may be 5000"* ]] || assert_fail stderr "$stderr"
    run -0 as bob sendmail -odq -i bob@example.test < "$MESSAGE"
    same "$(submissions)" 1
    find "$INCOMING" -mindepth 1 -delete
    # a fourth of the room in bytes, and what is kept free
    mount -t tmpfs -o size=2m,mode=1770,uid=64020,gid=64020 small "$INCOMING"
    head -c 700000 /dev/zero | tr '\0' '\n' > /run/box/big
    run -75 --separate-stderr as alice sendmail -odq -i bob@example.test < /run/box/big
    [[ $stderr == *"one user may have a fourth of the room"* ]] || assert_fail stderr "$stderr"
    same "$(find "$INCOMING" -mindepth 1)" ""
    run -0 as alice sendmail -odq -i bob@example.test < "$MESSAGE"
    head -c 2010000 /dev/zero > "$INCOMING/tmp.other"
    run -75 --separate-stderr as bob sendmail -odq -i bob@example.test < "$MESSAGE"
    [[ $stderr == *"No space left for the queue: "*"are kept for its runner"* ]] || assert_fail stderr "$stderr"
}

@test "one user gets a fourth of the queue; what he has beyond that waits in incoming/, and others go on (Q14)" {
    local i
    printf 'queue-max-messages = 8\n' >> /etc/mxtls/mxtls.conf
    for i in 1 2 3; do run -0 as alice sendmail -odq -i "a$i@[192.0.2.200]" < "$MESSAGE"; done
    run -0 as bob sendmail -odq -i "b@[192.0.2.200]" < "$MESSAGE"
    run -0 run_queue
    same "$(find "$S/q" -type f | wc -l) $(submissions)" "3 1"
    file_has "$RUNNER_LOG" "uid 64101: this user's share of the queue, a fourth, is full: 2 messages wait, and there may be 2"
    run -0 mxtls queue remove --to a1
    run -0 run_queue
    same "$(find "$S/q" -type f | wc -l) $(submissions)" "3 0"
}

# real_callers: /usr/sbin/sendmail is mxtls-submit, and anybody has an account that PAM believes in.
real_callers() {
    mkdir -p /run/box/sbin /run/box/pam.d
    ln -sf "$USR/libexec/mxtls-submit" /run/box/sbin/sendmail
    mount -t overlay -o lowerdir=/run/box/sbin:/usr/sbin overlay /usr/sbin
    printf '%s required pam_permit.so\n' account auth session > /run/box/pam.d/other
    mount --bind /run/box/pam.d /etc/pam.d
}

# mail_with TEXT: waits for a message that has it; its file in FILE, its session in S_NR.
mail_with() {
    local _
    for _ in $(seq 600); do
        FILE=$(grep -l -- "$1" "$BATS_FILE_TMPDIR"/S*.1 2> /dev/null | head -n 1) || true
        if [ -n "$FILE" ]; then
            S_NR=$(basename "$FILE" .1)
            return
        fi
        read -rt 0.1 <> <(:) || true
    done
    assert_fail "no mail with $1" "$(cat "$RUNNER_LOG" /run/box/cron.out /run/box/atd.out 2> /dev/null; ls -lR /var/spool/cron "$INCOMING")"
}

@test "the real cron and at: jobs of a user, whose output comes from him, through the setgid program and the runner" {
    local cron atd
    real_callers
    runner_start
    mkdir -p /var/spool/cron/crontabs /var/spool/cron/atjobs /var/spool/cron/atspool
    # at once, since this box has just been started
    printf 'MAILTO=bob@example.test\n@reboot echo "cron of alice"; echo .; echo more; id -un\n' > /var/spool/cron/crontabs/alice
    chown alice:alice /var/spool/cron/crontabs/alice
    chmod 600 /var/spool/cron/crontabs/alice
    rm -f /run/crond.reboot
    deb_command cron cron
    "${DEB_COMMAND[@]}" -f 3>&- > /run/box/cron.out 2>&1 &
    cron=$!
    (umask 077 && : > /var/spool/cron/atjobs/.SEQ)
    chown -R daemon:daemon /var/spool/cron/atjobs /var/spool/cron/atspool
    chmod 1770 /var/spool/cron/atjobs /var/spool/cron/atspool
    deb_command at atd
    "${DEB_COMMAND[@]}" -f -l 99 -b 1 3>&- > /run/box/atd.out 2>&1 &
    atd=$!
    deb_command at at
    echo 'echo at of root says hello; echo .; echo more; id -un' | "${DEB_COMMAND[@]}" -m now 2> /run/box/at.err || assert_fail "at" "$(cat /run/box/at.err)"
    mail_with 'cron of alice'
    same "$(sed -n "s/^$S_NR C: \(MAIL FROM:\|RCPT TO:\)<\([^>]*\)>.*/\2/p" "$(peer_log good)" | xargs)" \
        "alice@example.test bob@example.test"
    same "$(tr -d '\r' < "$FILE" | sed '1,/^$/d; s/^\.\././' | xargs)" "cron of alice . more alice"
    file_has "$FILE" "Subject: Cron <alice@"
    file_has "$RUNNER_LOG" "from uid 64101 (alice)"
    mail_with 'at of root says hello'
    same "$(sed -n "s/^$S_NR C: \(MAIL FROM:\|RCPT TO:\)<\([^>]*\)>.*/\2/p" "$(peer_log good)" | xargs)" \
        "root@example.test root@example.test"
    same "$(tr -d '\r' < "$FILE" | sed '1,/^$/d; s/^\.\././' | xargs)" "at of root says hello . more root"
    kill "$cron" "$atd"
    wait "$cron" "$atd" || true
    settle
}
