# mxtls listen --workers: a supervisor with the keys, workers in a sandbox that talk with clients.
load lib/rig
load lib/listen

# What no sandbox of this kernel can do is not tested, and said: all of them are there where CI runs.
setup_file() {
    certs_make
}

setup() {
    # a folder that another user can reach
    D=$(mktemp -d /tmp/mxtls-workers-XXXXXX)
    chmod 755 "$D"
    printf 'From: a@sender.test\r\nSubject: hello\r\n\r\nhello\r\n' > "$D/mail"
}

teardown() {
    listen_stop_all
    rm -rf "$D"
}

# start NAME ARG...: AT is where
start() {
    listen_start "$1" --hostname mx.box.test --accept ok.test "${@:2}" 127.0.0.1:0
    AT=$(listen_at "$1")
}

mail() {
    curl -sS --url "smtp://$AT/client.box.test" --mail-from "$1" --mail-rcpt u@ok.test -T "$D/mail" "${@:2}"
}

# The worker processes of NAME: children of its process that have a listening socket.
workers() {
    pgrep -P "$(peer_pid "$1")"
}

gone() {
    ! kill -0 "$1" 2> /dev/null
}

@test "--self-check proves what a worker is kept from, for each delivery" {
    mkdir -m 700 "$D/box"
    chown nobody "$D/box"
    for deliver in discard "maildir:$D/box/m" "mbox:$D/box/mbox" "maildir:$D/box/all/%d/%u" lmtp:127.0.0.1:24; do
        run -0 "$MXTLS" listen --self-check --user nobody --deliver "$deliver"
        has "ok       no privileges by setuid programs"
        has "ok       no way to become root"
        has "ok       no program is run"
        has "ok       no file of others is read"
        has "ok       no file is made elsewhere"
        has_not MISSING
    done
    # LMTP needs new sockets, the others none
    has_not "no new socket"
    MXTLS_NO_FIBERS=0 run -0 "$MXTLS" listen --self-check --user nobody --deliver discard
    has "ok       no new socket"
    has "ok       no new process"
    # where each session is a process, nothing else is claimed
    MXTLS_NO_FIBERS=1 run -0 "$MXTLS" listen --self-check --user nobody --deliver discard
    has "ok       no new socket"
    has_not "no new process"
}

@test "--self-check tells what is missing: as root without --user, and with a command" {
    run -69 "$MXTLS" listen --self-check --deliver discard
    has "MISSING  no way to become root: it runs as root"
    run -0 "$MXTLS" listen --self-check --user nobody --deliver "command:/bin/cat"
    has_not "no program is run"
    has "ok       no privileges by setuid programs"
}

@test "--user: who may not become that user, users that are none, and root" {
    run -64 "$MXTLS" listen --self-check --user root --deliver discard
    has "--user: user 'root' is root, expected one without rights"
    run -64 "$MXTLS" listen --self-check --user "no such" --deliver discard
    has "--user: there is no user 'no such'"
    run -64 setpriv --reuid 65534 --regid 65534 --clear-groups "$MXTLS" listen --self-check --user nobody --deliver discard
    has "--user: only root can become 'nobody'"
    run -64 "$MXTLS" listen --stdio --workers 2 --deliver discard --tls off
    has "--stdio takes no --workers and no --user"
    run -64 "$MXTLS" listen --workers 0 --user nobody --deliver discard --tls off 127.0.0.1:0
    has "--user is for workers, and --workers 0 has none"
    mkdir -m 700 "$D/locked"
    run -73 "$MXTLS" listen --self-check --user nobody --deliver "maildir:$D/locked/m"
    has "Permission denied"
}

# bats test_tags=fibers
@test "workers are another user in a sandbox, and mail arrives durably through them" {
    mkdir -m 700 "$D/box"
    chown nobody "$D/box"
    start confined --self-signed --workers 2 --user nobody --deliver "maildir:$D/box/m"
    local pid n=0
    wait_until two_workers confined
    for pid in $(workers confined); do
        wait_until grep -q '^Uid:.65534.65534.65534.65534$' "/proc/$pid/status"
        grep -q '^Groups:.*[0-9]' "/proc/$pid/status" && assert_fail "groups" "$(cat "/proc/$pid/status")"
        wait_until grep -q '^NoNewPrivs:.1$' "/proc/$pid/status"
        wait_until grep -q '^Seccomp:.2$' "/proc/$pid/status"
        n=$((n + 1))
    done
    same "$n" 2
    mail a@sender.test --ssl-reqd -k
    mail a@sender.test
    seq 20000 | sed 's/$/\r/' >> "$D/mail" # more than goes to a helper as data
    mail a@sender.test
    same "$(find "$D/box/m/new" -type f -user nobody | wc -l)" 3
    hasnt_log confined "less confined"
}

hasnt_log() {
    if grep -F -- "$2" "$(peer_log "$1")"; then assert_fail "in the log of $1" "$2"; fi
}

# sockets PID: connections that it has
sockets() {
    find "/proc/$1/fd" -lname 'socket:*' 2> /dev/null | wc -l
}

# bats test_tags=fibers
@test "a worker that is killed takes its own sessions only, and is replaced" {
    start killed --self-signed --workers 2 --deliver discard
    local -a pids open=()
    local before fd lost=0 alive=0
    wait_until two_workers killed
    mapfile -t pids < <(workers killed)
    same "${#pids[@]}" 2
    before=$(sockets "${pids[0]}")
    # until both have some
    while [ "$(sockets "${pids[0]}")" -le "$before" ] || [ "$(sockets "${pids[1]}")" -le "$before" ]; do
        dial "$AT"
        hear 220
        open+=("$DIALLED")
        if [ ${#open[@]} -gt 40 ]; then
            # the kernel may wake the same one each time: stop it for a moment
            kill -STOP "${pids[0]}"
            dial "$AT"
            hear 220
            open+=("$DIALLED")
            kill -CONT "${pids[0]}"
        fi
        if [ ${#open[@]} -gt 45 ]; then break; fi
    done
    kill -KILL "${pids[0]}"
    listen_said killed "worker [01] \(process ${pids[0]}\) died of signal 9: its sessions are lost"
    listen_said killed "worker [01] is replaced"
    for fd in "${open[@]}"; do
        DIALLED=$fd
        if say NOOP 2> /dev/null && read -r -t 20 -u "$fd" line && [[ $line == 250* ]]; then
            alive=$((alive + 1))
        else
            lost=$((lost + 1))
        fi
    done
    ((lost > 0 && alive > 0)) || assert_fail "lost $lost, alive $alive of ${#open[@]}"
    # it is whole again
    wait_until two_workers killed
    mail a@sender.test --ssl-reqd -k
}

two_workers() {
    [ "$(workers "$1" | wc -l)" = 2 ]
}

fingerprint() {
    openssl s_client -starttls smtp -connect "$AT" -verify_quiet < /dev/null 2> /dev/null |
        openssl x509 -noout -fingerprint -sha256
}

# bats test_tags=fibers
@test "SIGHUP: new workers take over with the new keys, sessions of the old ones go on; a bad key changes nothing" {
    cp "$CERTS/rsa.crt" "$D/cert.pem"
    cp "$CERTS/rsa.key" "$D/key.pem"
    start reload --workers 2 --cert "$D/cert.pem" --key "$D/key.pem" --deliver discard
    local old new pids
    old=$(fingerprint)
    pids=$(workers reload | tr '\n' ' ')
    dial "$AT"
    hear 220
    say "EHLO client.box.test"
    hear 250
    say "MAIL FROM:<a@sender.test>"
    hear 250
    cp "$CERTS/ecdsa.crt" "$D/cert.pem"
    cp "$CERTS/ecdsa.key" "$D/key.pem"
    kill -HUP "$(peer_pid reload)"
    listen_said reload "reloaded$"
    wait_until changed "$old"
    new=$(fingerprint)
    [ "$new" != "$old" ]
    # in the old worker the session goes on as if nothing had been
    say "RCPT TO:<u@ok.test>"
    hear 250
    say DATA
    hear 354
    say "."
    hear 250
    say NOOP
    hear 250
    say QUIT
    hear 221
    for pid in $pids; do wait_until gone "$pid"; done
    pids=$(workers reload | tr '\n' ' ')
    echo broken > "$D/key.pem"
    kill -HUP "$(peer_pid reload)"
    listen_said reload "not reloaded, everything stays as it was"
    same "$(workers reload | tr '\n' ' ')" "$pids"
    same "$(fingerprint)" "$new"
}

# bats test_tags=fibers
@test "SIGHUP: who is still there when --drain is over gets 421 from the old worker" {
    start drained --self-signed --workers 1 --drain 300ms --deliver discard
    local pid
    pid=$(workers drained)
    dial "$AT"
    hear 220
    kill -HUP "$(peer_pid drained)"
    listen_said drained "reloaded$"
    hear 421
    wait_until gone "$pid"
    run -0 mail a@sender.test
}

changed() {
    [ "$(fingerprint)" != "$1" ]
}

# bats test_tags=fibers
@test "counts of all workers come together" {
    start counts --self-signed --workers 3 --deliver discard --stats "$D/stats"
    local i
    for i in 1 2 3 4 5 6; do mail "a$i@sender.test" --ssl-reqd -k; done
    mail b@other.test
    kill -USR1 "$(peer_pid counts)"
    listen_said counts 'all: 7 messages, 6 \(85\.7 %\) encrypted'
    same "$(jq .total.messages "$D/stats")" 7
}

# bats test_tags=fibers
@test "a cap on connections holds over all workers, and is free again when they end" {
    start capped --self-signed --workers 3 --max-connections-per-address 2 --deliver discard
    dial "$AT"
    hear 220
    local first=$DIALLED
    dial "$AT"
    hear 220
    dial "$AT"
    hear 421
    # also those of a worker that died
    local pid
    for pid in $(workers capped); do kill -KILL "$pid"; done
    wait_until served
    DIALLED=$first
    hear closed
}

served() {
    dial "$AT" && read -r -t 20 -u "$DIALLED" line && [[ $line == 220* ]]
}

# bats test_tags=fibers
@test "a supervisor that is killed takes its workers with it" {
    start orphans --self-signed --workers 2 --deliver discard
    local pids pid
    pids=$(workers orphans)
    kill -KILL "$(peer_pid orphans)"
    for pid in $pids; do wait_until gone "$pid"; done
    peer_end orphans
    same "$PEER_STATUS" 137
}
