# mxtls listen --deliver: mbox, commands, LMTP, a maildir for each user; what each may promise.
load lib/rig
load lib/listen

setup_file() {
    certs_make
    peer_start store '^ready' "$ROOT/tests/peers/lmtp_peer.py" --listen "$BATS_FILE_TMPDIR/lmtp" --spool "$BATS_FILE_TMPDIR"
}

setup() {
    D=$BATS_TEST_TMPDIR
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # LeakSanitizer does not work under strace
    COMMON=(--self-signed --hostname mx.box.test --accept ok.test)
}

teardown() {
    listen_stop_all
}

mail() { # mail ADDRESS:PORT RECIPIENT...: swaks, its own exit status
    local at=$1 to
    shift
    to=$(IFS=,; echo "$*")
    swaks --server "${at%:*}" --port "${at##*:}" --ehlo client.box.test --from a@sender.test --to "$to" --silent 1 2>&1
}

# offers PROTOCOL WHERE...: what EHLO offers inside TLS
offers() {
    python3 - "$(listen_at "$1")" <<'PYTHON'
import smtplib, ssl, sys
host, port = sys.argv[1].rsplit(":", 1)
s = smtplib.SMTP(host, int(port), "client.box.test", 20)
s.ehlo()
assert not s.has_extn("requiretls")
context = ssl._create_unverified_context()
s.starttls(context=context)
s.ehlo()
print(" ".join(w for w in ("requiretls", "dsn") if s.has_extn(w)), s.esmtp_features["limits"], end="")
s.quit()
PYTHON
}

@test "DSN, REQUIRETLS and LIMITS are announced where they are true (DECISIONS F44, RFC 9422)" {
    local row i=0
    for row in "discard| RCPTMAX=100" "maildir:$D/m|requiretls RCPTMAX=100" "maildir:$D/u/%d/%u|requiretls RCPTMAX=100" \
        "mbox:$D/mbox|requiretls RCPTMAX=100" "command:/bin/true| RCPTMAX=1" "lmtp:unix:$D/nowhere| RCPTMAX=1" \
        "queue|requiretls dsn RCPTMAX=100"; do
        i=$((i + 1))
        listen_start "offers$i" "${COMMON[@]}" --queue "$D/q" --deliver "${row%|*}" 127.0.0.1:0
        run -0 offers "offers$i"
        same "$output" "${row#*|}"
    done
}

@test "mbox: Python reads back what many sessions wrote at once, beside another program that locks (reference Q7)" {
    listen_start mbox "${COMMON[@]}" --deliver "mbox:$D/mbox" 127.0.0.1:0
    # another writer, with the same locks
    python3 - "$D/mbox" <<'PYTHON' &
import mailbox, sys, time
for i in range(20):
    m = mailbox.mbox(sys.argv[1])
    while True:
        try:
            m.lock()
            break
        except mailbox.ExternalClashError:
            time.sleep(0.01)
    try:
        m.add(f"Subject: other {i}\n\nFrom here\n")
        m.flush()
    finally:
        m.unlock()
        m.close()
    time.sleep(0.02)
PYTHON
    local other=$!
    run -0 "$ROOT/tests/peers/listen_clients.py" "$(listen_at mbox)" load 5 "$D/acked" --messages 10
    wait "$other"
    same "$(wc -l < "$D/acked")" 50
    run -0 python3 - "$D/mbox" <<'PYTHON'
import mailbox, sys
messages = list(mailbox.mbox(sys.argv[1]))
print(len(messages), sum(m["Delivered-To"] is not None for m in messages), len({m["Received"] for m in messages}))
assert all(m["Return-Path"] == "<a@sender.test>" for m in messages if m["Received"])
PYTHON
    same "$output" "70 50 51"
    same "$(stat -c %a "$D/mbox")" 600
    [ ! -e "$D/mbox.lock" ]
}

@test "mbox: 250 is said after the file is synced; a full disk means 452 and the file as it was" {
    run -0 strace -f -y -o "$D/trace" -e trace=fsync,write bash -c "printf 'EHLO a\r\nMAIL FROM:<a@sender.test>\r\n\
RCPT TO:<u@ok.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n' | '$MXTLS' listen ${COMMON[*]} --deliver 'mbox:$D/mbox' --stdio"
    has "250 2.0.0 Ok: "
    local synced said
    synced=$(grep -n 'fsync(.*mbox>) = 0' "$D/trace" | tail -n 1 | cut -d: -f1)
    said=$(grep -n '250 2.0.0 Ok' "$D/trace" | head -n 1 | cut -d: -f1)
    [ "$synced" -lt "$said" ] || assert_fail "250 before fsync" "$(cat "$D/trace")"
    mkdir "$D/small"
    mount -t tmpfs -o size=64k small "$D/small"
    listen_start full "${COMMON[@]}" --deliver "mbox:$D/small/mbox" 127.0.0.1:0
    run -0 mail "$(listen_at full)" u@ok.test
    cp "$D/small/mbox" "$D/before"
    head -c 60000 /dev/zero > "$D/small/fill" || true
    run ! mail "$(listen_at full)" u@ok.test --body "$(seq 5000)"
    cmp "$D/before" "$D/small/mbox"
    rm "$D/small/fill"
    run -0 mail "$(listen_at full)" u@ok.test
    umount "$D/small"
}

@test "command: the exit status is the reply, for one recipient a message (DECISIONS F42, reference Q10)" {
    printf '#!/bin/sh\ncat > "%s/text"\necho "said something"\nexit ${LOCAL#exit}\n' "$D" > "$D/program"
    chmod 755 "$D/program"
    listen_start command "${COMMON[@]}" --deliver "command:$D/program" --command-timeout 2s 127.0.0.1:0
    dial "$(listen_at command)"
    hear 220
    say "EHLO client.box.test"
    hear 250
    local row
    for row in "0 250 2.0.0" "67 550 5.1.1" "75 451 4.3.0" "77 550 5.7.1" "69 554 5.3.0" "65 554 5.6.0"; do
        say "MAIL FROM:<a@sender.test>"
        hear 250
        say "RCPT TO:<exit${row%% *}@ok.test>"
        hear 250
        say "RCPT TO:<exit0@ok.test>"
        hear "452 4.5.3"
        say DATA
        hear 354
        say "Subject: x"
        say ""
        say "..dot"
        say .
        hear "${row#* }"
    done
    # both, as they were
    run -0 cat "$D/text"
    has "Delivered-To: exit65@ok.test"
    same "${lines[-1]}" ".dot"
    listen_said command 'said something'
    listen_said command 'exit status 75'
}

@test "command: no shell, no search path, no option from a client (CVE-2020-7247, reference S11)" {
    printf '#!/bin/sh\nfor w; do printf "<%%s>" "$w"; done >> "%s/words"\n' "$D" > "$D/program"
    chmod 755 "$D/program"
    listen_start shell "${COMMON[@]}" --deliver "command:$D/program %r --from=%s" 127.0.0.1:0
    dial "$(listen_at shell)"
    hear 220
    say "EHLO client.box.test"
    hear 250
    local to
    # shellcheck disable=SC2016 # as it stands
    for to in '`touch${IFS}x`@ok.test' '";touch x;"@ok.test' '$(touch x)@ok.test' '-oQ/tmp@ok.test' '--help@ok.test'; do
        say "MAIL FROM:<-f@sender.test>"
        hear 250
        say "RCPT TO:<$to>"
        hear ''
        if [[ $HEARD != 250* ]]; then
            say RSET
            hear 250
            continue
        fi
        say DATA
        hear ''
        if [[ $HEARD == 354* ]]; then
            say .
            hear 250
        fi
    done
    # shellcheck disable=SC2016
    same "$(cat "$D/words")" '<`touch${IFS}x`@ok.test><--from=-f@sender.test><";touch x;"@ok.test><--from=-f@sender.test>'
    same "$(find "$D" -name x)" ""
}

# bats test_tags=fibers
@test "a command that hangs is ended, 451 is said, others are served meanwhile" {
    printf '#!/bin/sh\ncase $LOCAL in hang) sleep 600 ;; esac\n' > "$D/program"
    chmod 755 "$D/program"
    listen_start hang "${COMMON[@]}" --deliver "command:$D/program" --command-timeout 3s 127.0.0.1:0
    dial "$(listen_at hang)"
    local line
    for line in "EHLO client.box.test" "MAIL FROM:<a@sender.test>" "RCPT TO:<hang@ok.test>" DATA; do
        hear ''
        say "$line"
    done
    hear 354
    say .
    run -0 mail "$(listen_at hang)" u@ok.test
    hear "451 4.3.0"
}

@test "lmtp: the store's word is ours" {
    listen_start lmtp "${COMMON[@]}" --deliver "lmtp:unix:$BATS_FILE_TMPDIR/lmtp" 127.0.0.1:0
    dial "$(listen_at lmtp)"
    hear 220
    say "EHLO client.box.test"
    hear 250
    local row
    for row in "good 250 2.0.0" "full 452 " "unknown 550 5.1.1" "late 452 " "never 554 "; do
        say "MAIL FROM:<a@sender.test>"
        hear 250
        say "RCPT TO:<${row%% *}@ok.test>"
        hear 250
        say DATA
        hear 354
        say "Subject: for ${row%% *}"
        say ""
        say "..dot"
        say .
        hear "${row#* }"
    done
    run -0 grep -l "Subject: for good" -r "$BATS_FILE_TMPDIR"
    run -0 cat "${lines[0]}"
    has "with ESMTP id"
    has_not "Return-Path"
    peer_wait_line store 'RCPT TO:<never@ok.test>'
    listen_start nobody "${COMMON[@]}" --deliver "lmtp:unix:$D/nowhere" 127.0.0.1:0
    run ! mail "$(listen_at nobody)" u@ok.test
    has "451 4.3.0"
}

@test "a maildir for each user: listed addresses, folders that exist, and nothing else (reference Q9)" {
    printf '# our users\nann@two.test\nBob@two.test\n' > "$D/users"
    mkdir -p "$D/box/ok.test/carl"
    listen_start users "${COMMON[@]}" --accept "$D/users" --deliver "maildir:$D/box/%d/%u" 127.0.0.1:0
    run -0 mail "$(listen_at users)" ann@two.test bob+news@Two.test carl@ok.test eve@two.test eve@ok.test '"../carl"@ok.test'
    same "$(grep -c '^<\*\* 550 5.1.1' <<< "$output")" 3
    for _ in 1 2 3; do
        run ! mail "$(listen_at users)" eve@two.test
        has "550 5.1.1"
        run ! mail "$(listen_at users)" eve@ok.test
        has "550 5.1.1"
    done
    same "$(find "$D/box" -path '*/new/*' | sed "s|$D/box/||; s|/new/.*||" | sort | uniq -c | xargs)" \
        "1 ok.test/carl 1 two.test/ann 1 two.test/bob"
    same "$(ls "$D/box")" "ok.test
two.test"
}

# bats test_tags=fibers
@test "workers in their sandbox can do each delivery" {
    printf '#!/bin/sh\ncat > "$1/$MXTLS_ID"\n' > "$D/program"
    chmod 755 "$D" "$D/program"
    mkdir "$D/out"
    local row i=0
    for row in "maildir:$D/m" "maildir:$D/u/%d/%u" "mbox:$D/mbox" "command:$D/program $D/out" \
        "lmtp:unix:$BATS_FILE_TMPDIR/lmtp" queue discard; do
        i=$((i + 1))
        listen_start "workers$i" --tls off --accept u@ok.test --workers 1 --queue "$D/q" --deliver "$row" 127.0.0.1:0
        run -0 mail "$(listen_at "workers$i")" u@ok.test
    done
    same "$(find "$D/m/new" "$D/u/ok.test/u/new" "$D/mbox" "$D/out" "$D/q/q" -type f | wc -l)" 5
}

@test "a delivery that cannot be is told at the start" {
    local row
    for row in "-64 maildir:$D/%x" "-64 command:cat" "-64 command:$D/nothing" "-64 lmtp:nowhere" "-64 mbox" "-77 mbox:$D/link" \
        "-73 mbox:$D/no/folder" "-73 queue --queue $D/no/folder"; do
        ln -sf /etc/passwd "$D/link"
        # shellcheck disable=SC2086 # words
        run ${row%% *} timeout 10 "$MXTLS" listen "${COMMON[@]}" 127.0.0.1:0 --deliver ${row#* }
        has_not "listening"
        has "mxtls listen: "
    done
    printf 'ok.test\nno domain here\n' > "$D/bad"
    run -78 timeout 10 "$MXTLS" listen --self-signed --accept "$D/bad" --deliver discard 127.0.0.1:0
    has "$D/bad:2: \"no domain here\""
    run -64 timeout 10 "$MXTLS" listen --self-signed --relay-from 0.0.0.0/0 --deliver discard 127.0.0.1:0
    has "open relay"
    echo 'nonsense' > "$D/policy"
    run -78 timeout 10 "$MXTLS" listen --self-signed --relay-from 127.0.0.1 --policy "$D/policy" --deliver discard 127.0.0.1:0
    has "$D/policy:1"
}

@test "README: the host that takes mail for some users, as it is written there" {
    local command
    mkdir -p /etc/mxtls "$D/bin"
    mount -t tmpfs etc /etc/mxtls
    mount -t tmpfs -o mode=2775,gid="$(id -g mail)" mail /var/mail
    printf 'ann@ok.test\nbob@ok.test # and nobody else\n' > /etc/mxtls/users
    ln -s "$MXTLS" "$D/bin/mxtls"
    cp "$CERTS/rsa.chain" "$D/chain.pem"
    cp "$CERTS/rsa.key" "$D/key.pem"
    cd "$D" || return
    command=$(readme_commands "A host that takes mail for some users")
    peer_start readme '^listening on 0' env ASAN_OPTIONS="$(reports_to_stderr "${ASAN_OPTIONS:-}")" PATH="$D/bin:$PATH" bash -c "exec $command"
    run -0 mail 127.0.0.1:25 Ann@ok.test,bob@ok.test
    run mail 127.0.0.1:25 carl@ok.test
    has "550 5.1.1"
    new_mail /var/mail/ok.test/ann 1
    same "$(stat -c %U "$MAIL")" mail
    new_mail /var/mail/ok.test/bob 1
    peer_stop readme
    same "$PEER_STATUS" 0
}

@test "bad configuration is told with what was expected, and nothing starts: not a socket, not a folder" {
    local row status word options
    install -d -m 500 -o nobody "$D/locked"
    printf 'ok.test\nbad line\n' > "$D/users"
    mkdir "$D/dir"
    while IFS='|' read -r status options word; do
        # shellcheck disable=SC2086 # words
        run "-$status" timeout 10 "$MXTLS" listen --self-signed $options 192.0.2.66:25
        has "$word"
        has_not "listening"
    done <<ROWS
64|--deliver discard --deliver maildir:$D/two|--deliver is given 2 times: mail goes to one place
64|--deliver discard --allow-from 192.0.2.0/33|--allow-from: '192.0.2.0/33' is no network: expected 192.0.2.0/24
64|--deliver discard --relay-from 192.0.2|--relay-from: '192.0.2' is no address or network (expected 192.0.2.1, 192.0.2.0/24
64|--deliver discard --tls-exempt nobody|--tls-exempt: 'nobody': no domain: expected user@domain
64|--deliver discard --clear-folder clear|--clear-folder is for --deliver maildir:DIR, not 'discard'
64|--deliver discard --client-cert required|--client-cert required needs --client-ca
64|--deliver discard --user no-such-user|--user: there is no user 'no-such-user'
64|--deliver discard --requird|unknown option
64|--deliver discard --workers 65|option --workers: "65" is not a number from 0 to 64
64|--deliver discard --max-connections-per-minute -1|"-1" is not a number from 0 to 65535
64|--deliver discard --timeout 1e9|option --timeout: "1e9"
64|--deliver discard --log xml|"xml"
64|--deliver maildir:$D/made :25|':25' has no address in front of its port: expected 192.0.2.1:25, [2001:db8::1]:25 or, for every address, *:25
64|--deliver maildir:$D/made 25|'25' has no address in front of its port
66|--deliver discard --accept $D/none/x|--accept: cannot read $D/none/x: No such file or directory
73|--deliver discard --stats $D/none/x|cannot write $D/none/x: No such file or directory
73|--deliver discard --log-to $D/none/x|cannot open the log $D/none/x: No such file or directory
73|--deliver maildir:$D/none/x|$D/none/x: No such file or directory
73|--deliver maildir:$D/locked/x --user nobody|Permission denied
73|--deliver mbox:$D/dir|$D/dir: Is a directory
78|--deliver discard --client-ca $D/none|$D/none: no PEM certificates
78|--deliver discard --accept $D/users|$D/users:2: "bad line" is neither domain nor address
ROWS
    # the port is free, and no folder was made on the way
    run -1 bash -c 'exec 3<> /dev/tcp/192.0.2.66/25'
    same "$(ls "$D")" "$(printf 'dir\nlocked\nusers')"
}
