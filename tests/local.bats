# Mail for users of this host: aliases, root-to, mbox, maildir, LMTP; and what is kept when nothing is set.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send

setup_file() {
    certs_make
    example_zone | dns_start
    mx good 45 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve'
    mkdir -p "$BATS_FILE_TMPDIR/bin"
    local name
    for name in sendmail newaliases; do ln -s "$MXTLS" "$BATS_FILE_TMPDIR/bin/$name"; done
    export PATH=$BATS_FILE_TMPDIR/bin:$PATH
    peer_start store '^ready' "$ROOT/tests/peers/lmtp_peer.py" --listen "$BATS_FILE_TMPDIR/lmtp" --spool "$BATS_FILE_TMPDIR"
}

setup() {
    dir=$BATS_TEST_TMPDIR
    mkdir -p "$dir/mxtls" "$dir/mail"
    # other users come by here
    chmod 755 "$dir" "$dir/mxtls" "$dir/mail" "$(dirname "$dir")" "$(dirname "$(dirname "$dir")")"
    : > "$dir/aliases"
    export XDG_CONFIG_HOME=$dir XDG_STATE_HOME=$dir/state
    printf 'From: cron (Cron Daemon)\nTo: root\nSubject: Cron\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <1@x>\n\nFrom here\nx\n' > "$dir/message"
}

# conf LINE...: mxtls.conf
conf() {
    printf '%s\n' "aliases = $dir/aliases" "log = $dir/log" "$@" > "$dir/mxtls/mxtls.conf"
}

# s STATUS WORD...: sendmail of the message, in the foreground
s() {
    local want=$1
    shift
    run "-$want" --separate-stderr sendmail -odi "$@" < "$dir/message"
}

envelope() {
    sed -n "s/^S$(sessions good) C: RCPT TO:<\([^>]*\)>.*/\1/p" "$(peer_log good)" | xargs
}

@test "To: root arrives in root's mbox: separator, Return-Path, quoted From line, CRLF gone" {
    conf "local = mbox:$dir/mail"
    s 0 -t -f cron
    same "$output$stderr" ""
    same "$(sed -n 1p "$dir/mail/root" | sed 's/ [A-Z][a-z][a-z] .*//')" "From cron@client.box.test"
    same "$(sed 1d "$dir/mail/root")" "Return-Path: <cron@client.box.test>
Delivered-To: root@localhost
From: cron@client.box.test (Cron Daemon)
To: root@client.box.test
Subject: Cron
Date: Mon, 23 Nov 2026 10:00:00 +0000
Message-ID: <1@x>

>From here
x"
    same "$(stat -c '%a' "$dir/mail/root")" 600
    s 0 root
    same "$(grep -c '^From ' "$dir/mail/root")" 2
}

@test "another user's mailbox is written by that user; made for him where it is missing (DECISIONS A2)" {
    conf "local = mbox:$dir/mail"
    s 0 daemon root
    same "$(stat -c '%U' "$dir/mail/daemon")" daemon
    same "$output$stderr" ""
    # a mailbox that is a link, or another user's, is not written to
    ln -s "$dir/mail/root" "$dir/mail/bin"
    s 0 bin
    file_has "$dir/log" "a link, not a mailbox"
    same "$(grep -c '^From ' "$dir/mail/root")" 1
}

@test "maildir, of oneself without privilege; of another user it needs root" {
    conf "local = maildir:$dir/mail"
    mkdir -m 777 "$dir/state"
    : > "$dir/log"
    chmod 666 "$dir/log"
    chmod 777 "$dir/mail"
    chmod 644 "$dir/mxtls/mxtls.conf" "$dir/aliases"
    run -0 --separate-stderr setpriv --reuid=nobody --regid=nogroup --clear-groups sendmail -odi nobody < "$dir/message"
    same "$(cat "$dir/mail/nobody/new/"* | sed -n 1,2p)" "Return-Path: <nobody@client.box.test>
Delivered-To: nobody@localhost"
    run -0 --separate-stderr setpriv --reuid=nobody --regid=nogroup --clear-groups sendmail -odi daemon < "$dir/message"
    [ ! -e "$dir/mail/daemon" ]
    file_has "$dir/log" "a queue runner that was started as root"
}

@test "LMTP: each recipient has its own answer (RFC 2033 s4.2)" {
    conf "local = lmtp:unix:$BATS_FILE_TMPDIR/lmtp"
    run -75 --separate-stderr "$MXTLS" send --no-queue --json -f cron@example.test a unknown full late never < "$dir/message"
    same "$(jq -r '"\(.recipient),\(.status),\(.enhanced)"' <<< "$output" | xargs)" \
        "a@localhost,delivered,2.0.0 unknown@localhost,failed,5.1.1 full@localhost,deferred,4.2.2 late@localhost,deferred,4.2.2 never@localhost,failed,5.2.0"
    file_has "$(peer_log store)" "LHLO client.box.test"
    file_has "$BATS_FILE_TMPDIR/1" "From here"
    peer_stop store
    run -75 --separate-stderr "$MXTLS" send --no-queue --json a < "$dir/message"
    same "$(jq -r .failure <<< "$output")" connection-refused
}

@test "aliases, root-to, default-recipient: who gets the mail of users" {
    printf '# comment\nops: alice@example.test,\n  bob\nroot: ops\nbob: \\bob\n' > "$dir/aliases"
    conf 'maildomain = example.test' 'default-recipient = rest@example.test'
    s 0 -t
    same "$(envelope)" "alice@example.test rest@example.test"
    s 0 carl '\root'
    same "$(envelope)" "rest@example.test"
    conf 'maildomain = example.test' 'root-to = boss@example.test'
    s 0 '\root' carl root@localhost
    same "$(envelope)" "boss@example.test carl@example.test alice@example.test bob@example.test"
}

@test "newaliases tells what is wrong in the alias file, by line; a right one is silent" {
    conf
    run -0 newaliases
    printf 'root: a@b\nnonsense\nx: <y\n' > "$dir/aliases"
    run -65 newaliases
    has "$dir/aliases:2: expected NAME: VALUE"
    has "$dir/aliases:3: <y: no closing angle bracket"
    # and the rest counts
    run -68 --separate-stderr sendmail -bv root
    has "a@b... Host unknown"
}

@test "-bv of users: mailbox, kept, unknown; an alias whose program or file it is, by file and line" {
    printf 'ops: daemon, "|/bin/cat -n", /var/log/box\n' > "$dir/aliases"
    conf "local = mbox:$dir/mail" 'alias-programs = yes' 'alias-files = yes'
    run -0 --separate-stderr sendmail -bv ops
    same "$output" "daemon@localhost... deliverable: mailer local, user daemon
  mbox in $dir/mail
ops... deliverable: mailer prog, user |/bin/cat -n
  by $dir/aliases:1, as nobody
ops... deliverable: mailer *file*, user /var/log/box
  by $dir/aliases:1, as nobody"
    run -67 sendmail -bv no-such-user
    has "no-such-user@localhost... User unknown: no user no-such-user here"
    run -65 sendmail -bv '<broken'
    has "<broken... not deliverable: no closing angle bracket"
    run -64 sendmail -bv
    conf
    run -78 sendmail -bv root@localhost
    has "root@localhost... kept for now: nothing says where mail for users of this host goes"
    [ ! -e "$dir/state/mxtls/queue" ]
}

@test "nothing set: the message is kept in the queue, and the error says what to set" {
    conf 'maildomain = localhost'
    s 0 -t
    [[ $stderr == *"root: "*"set root-to, default-recipient or local in mxtls.conf, or an alias"* ]] || assert_fail "advice" "$stderr"
    same "$(find "$dir/state" -path '*/q/*' -type f | wc -l)" 1
    # once it is set, the queue delivers it
    conf 'maildomain = localhost' "local = mbox:$dir/mail"
    run -0 "$MXTLS" queue run --all
    file_has "$dir/mail/root" "Subject: Cron"
    file_has "$dir/log" "to=<root@localhost> status=delivered"
    same "$(find "$dir/state" -path '*/q/*' -type f | wc -l)" 0
}

@test "this host's own name, when no MX takes its mail: kept, not bounced as a mail loop" {
    conf
    run -78 --separate-stderr "$MXTLS" send --no-queue --json x@client.box.test < "$dir/message"
    same "$(jq -r '.status, .failure' <<< "$output" | xargs)" "deferred local-delivery"
}

@test "an unknown user: a report and status 67; a setting that is wrong: 78" {
    conf "local = mbox:$dir/mail"
    s 67 -oep no-such-user
    [[ $stderr == *"no user no-such-user here"* ]] || assert_fail "who" "$stderr"
    conf 'local = box'
    s 64 root
    [[ $stderr == *"--local: \"box\": expected mbox"* ]] || assert_fail "what" "$stderr"
}
