# Programs, files and lists as values of aliases (DECISIONS A4): when they count, as whom they run, and what
# becomes of the message.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send

setup_file() {
    certs_make
    example_zone | dns_start
    mx good 45 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve'
    mkdir -p "$BATS_FILE_TMPDIR/bin"
    ln -s "$MXTLS" "$BATS_FILE_TMPDIR/bin/sendmail"
    export PATH=$BATS_FILE_TMPDIR/bin:$PATH
}

setup() {
    dir=$BATS_TEST_TMPDIR
    mkdir -p "$dir/mxtls"
    mkdir -m 777 "$dir/open"
    chmod 777 "$dir/open"
    # other users come by here
    chmod 755 "$dir" "$dir/mxtls" "$(dirname "$dir")" "$(dirname "$(dirname "$dir")")"
    export XDG_CONFIG_HOME=$dir XDG_STATE_HOME=$dir/state
    ALLOW=('alias-programs = yes' 'alias-files = yes')
    conf
    printf 'From: Ann <ann@client.box.test>\nTo: x\nSubject: hello\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <1@x>\n\nFrom here\nGr\303\274\303\237e\n' > "$dir/message"
}

# conf LINE...: mxtls.conf, programs and files allowed
conf() {
    printf '%s\n' "aliases = $dir/aliases" "log = $dir/log" "${ALLOW[@]}" "$@" > "$dir/mxtls/mxtls.conf"
}

aliases() {
    printf '%s\n' "$@" > "$dir/aliases"
}

# program NAME < script: a program for aliases
program() {
    { echo '#!/bin/sh'; cat; } > "$dir/$1"
    chmod 755 "$dir/$1"
}

# s STATUS WORD...: sendmail of the message, in the foreground
s() {
    local want=$1
    shift
    run "-$want" --separate-stderr sendmail -odi "$@" < "$dir/message"
}

# one RECIPIENT: the JSON line of a delivery without queue, in LINE
one() {
    run --separate-stderr "$MXTLS" send --no-queue --json -f ann@client.box.test "$@" < "$dir/message"
    LINE=${lines[0]}
}

is() {
    same "$(jq -r "$1" <<< "$LINE")" "$2"
}

kept() {
    "$MXTLS" queue list --json | grep -c . || true
}

@test "|command gets the message as nobody: alone with its group, in /, a clean environment, From line, LF line ends" {
    program take <<< "id -u > $dir/open/who; id -G >> $dir/open/who; pwd >> $dir/open/who; env | sort > $dir/open/env; cat > $dir/open/text; ls -l /proc/self/fd | grep -c ' [3-9] ->' > $dir/open/fds; echo \"\$0 \$*\" > $dir/open/argv"
    aliases "filter: \"|$dir/take --quick two\""
    export SECRET=1
    s 0 -f ann filter
    same "$output$stderr" ""
    same "$(xargs < "$dir/open/who")" "$(id -u nobody) $(id -g nobody) /"
    same "$(sed -n 1p "$dir/open/text" | cut -d' ' -f1,2)" "From ann@client.box.test"
    same "$(sed -n '2,3p;5p' "$dir/open/text")" "Return-Path: <ann@client.box.test>
Delivered-To: filter@client.box.test
To: x@client.box.test"
    same "$(tail -n 2 "$dir/open/text")" "From here
Grüße"
    ! grep -q $'\r' "$dir/open/text" || assert_fail "a CR" "$(cat -v "$dir/open/text")"
    same "$(cat "$dir/open/argv")" "$dir/take --quick two"
    same "$(grep -vE '^(PWD|OLDPWD|SHLVL|_)=' "$dir/open/env")" "HOME=$(getent passwd nobody | cut -d: -f6)
LC_ALL=C
LOGNAME=nobody
PATH=/usr/local/bin:/usr/bin:/bin
RECIPIENT=filter@client.box.test
SENDER=ann@client.box.test
SHELL=/bin/sh
USER=nobody"
    same "$(cat "$dir/open/fds")" 1 # that of ls itself
    file_has "$dir/log" "status=delivered"
    same "$(kept)" 0
}

@test "a shell only where the command needs one; what comes from the message is nothing to a shell" {
    aliases "plain: \"|/usr/bin/touch $dir/open/a;b $dir/open/c\"" "simple: \"|/usr/bin/tee $dir/open/t\"" "sender: \"|echo \$SENDER > $dir/open/sender\""
    one plain
    is .status deferred # /bin/sh: "b" is no command
    is .error "/usr/bin/touch $dir/open/a;b $dir/open/c cannot be executed: /bin/sh: 1: b: not found"
    [ -e "$dir/open/a" ]
    one simple
    is .status delivered
    run -0 --separate-stderr "$MXTLS" send --no-queue --json -f '"$(touch '"$dir"'/open/evil)`id`;&"@client.box.test' sender < "$dir/message"
    same "$(cat "$dir/open/sender")" '___touch_'"$dir"'/open/evil__id____@client.box.test'
    [ ! -e "$dir/open/evil" ]
}

@test "its exit status decides: sysexits as Postfix has them, what it says is the reason" {
    local row code end exit dsn bad=''
    program exit <<< 'cat > /dev/null; echo first; echo "because $1"; exit $1'
    program die <<< 'kill -9 $$'
    for row in 0:delivered:0:2.0.0 64:failed:69:5.5.4 65:failed:69:5.6.0 67:failed:67:5.1.1 69:failed:69:5.3.0 1:failed:69:5.3.0 77:failed:69:5.7.0 \
        71:deferred:75:4.3.0 74:deferred:75:4.3.0 75:deferred:75:4.3.0 126:deferred:75:4.3.0; do
        IFS=: read -r code end exit dsn <<< "$row"
        aliases "x: \"|$dir/exit $code\""
        one x
        [ "$(jq -r '"\(.status):\(.exit_status):\(.enhanced)"' <<< "$LINE")" = "$end:$exit:$dsn" ] || bad+="$row: $LINE"$'\n'
        [ "$code" -eq 0 ] || [ "$code" -eq 126 ] || [[ $(jq -r .error <<< "$LINE") == *"ended with status $code: because $code" ]] || bad+="$row: $LINE"$'\n'
    done
    same "$bad" ""
    aliases "die: \"|$dir/die\"" "none: \"|$dir/not-there\""
    one die
    is '.status + " " + .error' "deferred $dir/die was ended by signal 9"
    one none
    is '.status + " " + .error' "deferred $dir/not-there cannot be executed"
}

@test "one that takes too long is killed with all that it started, and tried later; one that does not read is no harm" {
    program slow <<< "echo \$\$ > $dir/open/pid; sleep 600 & wait"
    program deaf <<< "exec <&-; head -c 200000 /dev/zero; (sleep 30 &) ; exit 0"
    aliases "slow: \"|$dir/slow\"" "deaf: \"|$dir/deaf\""
    one --deadline 2s slow
    is '.status + " " + .error' "deferred $dir/slow took too long, and was killed"
    [ ! -e "/proc/$(cat "$dir/open/pid")" ]
    head -c 3000000 /dev/zero | tr '\0' 'y' | fold -w 70 >> "$dir/message"
    one deaf
    is .status delivered
}

@test "/file: appended as an mbox by nobody; a maildir with a slash; never by a link, never root's; /dev/null takes all" {
    aliases "archive: $dir/open/box" "dir: $dir/open/md/" "link: $dir/open/link" "roots: $dir/roots" "bin: /dev/null" "hosts: /etc/hosts"
    s 0 archive dir bin
    s 0 archive
    same "$(stat -c '%U %a' "$dir/open/box")" "nobody 600"
    same "$(grep -c '^From ' "$dir/open/box") $(grep -c '^>From here' "$dir/open/box") $(grep -c '^Delivered-To: archive@client.box.test' "$dir/open/box")" "2 2 2"
    same "$(stat -c '%U' "$dir/open/md/new/"*)" nobody
    : > "$dir/roots"
    ln -s "$dir/open/box" "$dir/open/link"
    one link
    is .status deferred
    [[ $(jq -r .error <<< "$LINE") == *"a link, not a mailbox"* ]] || assert_fail "link" "$LINE"
    one roots
    is '.status + " " + .failure' "deferred permission"
    one hosts
    is '.status + " " + .failure' "deferred permission"
    same "$(stat -c %s "$dir/roots") $(grep -c '^From ' "$dir/open/box")" "0 2"
}

@test ":include: in turn names aliases; not by a link, not by half a path; ten deep and no more; loops are errors" {
    local i
    printf '# list\nbob@example.test, carl@example.test\n\ndeep0\n' > "$dir/list"
    ln -s "$dir/list" "$dir/linked"
    {
        echo "list: :include:$dir/list"
        echo "half: :include:list"
        echo "linked: \":include:$dir/linked\""
        echo "a: b" && echo "b: c" && echo "c: a"
        echo "self: self, dora@example.test"
        for i in $(seq 0 7); do echo "deep$i: deep$((i + 1))"; done
        echo "deep8: dan@example.test"
        for i in $(seq 1 11); do echo "far$i: far$((i + 1))"; done
        echo "far12: never@example.test"
        echo "in: :include:$dir/back"
    } > "$dir/aliases"
    echo in > "$dir/back"
    conf 'maildomain = example.test'
    run --separate-stderr sendmail -bv list
    [[ $output == *"bob@example.test"*"carl@example.test"*"dan@example.test"* ]] || assert_fail "list" "$output"
    s 65 half
    [[ $stderr == *"named by its whole path"* ]] || assert_fail "half" "$stderr"
    s 65 linked
    [[ $stderr == *"linked"*"Too many levels of symbolic links"* ]] || assert_fail "linked" "$stderr"
    s 65 a
    [[ $stderr == *"alias a leads back to itself"* ]] || assert_fail "loop" "$stderr"
    s 65 far1
    [[ $stderr == *"more than 10 aliases one in the other"* ]] || assert_fail "depth" "$stderr"
    s 0 self
    [[ $stderr == "" ]] || assert_fail "self" "$stderr"
    s 0 in bob@example.test # again itself: the user of that name
}

@test "a message that comes to the same alias twice is a loop (Delivered-To)" {
    program again <<< "exec $MXTLS send --no-queue --config $dir/mxtls/mxtls.conf -i filter 2>> $dir/open/err"
    aliases "filter: \"|$dir/again\"" "once: \"|cat > $dir/open/once\""
    sed -i '1s/^/Delivered-To: FILTER@client.box.test\n/' "$dir/message"
    one filter
    is '.status + " " + .failure + " " + .enhanced' "failed alias-loop 5.4.6"
    one once
    is .status delivered
}

@test "a user, a program and a file of one alias are three recipients: each has its own end" {
    program no <<< 'exit 69'
    program later <<< "if [ -e $dir/open/now ]; then cat >> $dir/open/got; else exit 75; fi"
    aliases "daemon: \\daemon, \"|$dir/no\", \"|$dir/later\", $dir/open/box, bob@example.test"
    mkdir "$dir/mail"
    conf "local = mbox:$dir/mail" 'maildomain = example.test'
    s 69 -oep daemon
    [[ $stderr == *"$dir/no ended with status 69"* ]] || assert_fail "what" "$stderr"
    same "$(stat -c %U "$dir/mail/daemon")" daemon
    same "$(grep -c '^From ' "$dir/open/box")" 1
    # what was put off is done by the queue, and only that
    same "$(kept)" 1
    : > "$dir/open/now"
    run -0 "$MXTLS" queue run --all
    same "$(grep -c '^Subject: ' "$dir/open/got") $(grep -c '^From ' "$dir/open/box") $(grep -c '^From ' "$dir/mail/daemon")" "1 1 1"
    same "$(kept)" 0
}

@test "off by default; not in a file that others may write to or that is not root's; as a user it is kept and told" {
    local file
    aliases "run: \"|touch $dir/open/ran\"" "write: $dir/open/box" "incl: :include:$dir/list"
    echo 'bob@example.test' > "$dir/list"
    ALLOW=()
    conf
    s 65 run
    [[ $stderr == *"aliases:1: |command needs alias-programs = yes"* ]] || assert_fail "off" "$stderr"
    s 65 write
    [[ $stderr == *"aliases:2: /file needs alias-files = yes"* ]] || assert_fail "off" "$stderr"
    s 65 incl
    [[ $stderr == *"aliases:3: :include: needs alias-files = yes"* ]] || assert_fail "off" "$stderr"
    ALLOW=('alias-programs = yes' 'alias-files = yes')
    conf
    for file in 664:root 646:root 644:nobody; do
        chmod "${file%:*}" "$dir/aliases"
        chown "${file#*:}" "$dir/aliases"
        s 65 run write incl
        [[ $stderr == *"|command counts only in an alias file that belongs to root"* ]] || assert_fail "$file" "$stderr"
    done
    chown root "$dir/aliases"
    chmod 644 "$dir/aliases" "$dir/mxtls/mxtls.conf"
    export XDG_STATE_HOME=$dir/user
    mkdir -m 777 "$dir/user"
    : > "$dir/log"
    chmod 666 "$dir/log"
    run -0 --separate-stderr setpriv --reuid=nobody --regid=nogroup --clear-groups sendmail -odi run write < "$dir/message"
    file_has "$dir/log" "programs and files of aliases need a process that was started as root, which becomes nobody for them"
    [ ! -e "$dir/open/ran" ] && [ ! -e "$dir/open/box" ]
    same "$(setpriv --reuid=nobody --regid=nogroup --clear-groups "$MXTLS" queue list --json | grep -c .)" 1
}

@test "what was allowed once is looked at again at delivery: a changed alias gets nothing, a forged file neither" {
    aliases "run: \"|touch $dir/open/ran\""
    s 0 -odq run
    sendmail -odq run < "$dir/message"
    same "$(kept)" 2
    chmod 666 "$dir/aliases"
    run "$MXTLS" queue run --all
    same "$(kept)" 2
    [ ! -e "$dir/open/ran" ]
    chmod 644 "$dir/aliases"
    aliases "run: \"|touch $dir/open/other\""
    run "$MXTLS" queue run --all
    file_has "$dir/log" "has no such program or file (any more)"
    [ ! -e "$dir/open/ran" ] && [ ! -e "$dir/open/other" ]
}

@test "never root, nor root's group, nor the spool's: alias-user is refused" {
    local user
    aliases "run: \"|touch $dir/open/ran\""
    groupadd -r mxtls 2> /dev/null || true
    for user in root no-such-user; do
        conf "alias-user = $user"
        one run
        is '.status + " " + .failure' "deferred config"
    done
    conf 'alias-user = daemon'
    one run
    is .status delivered
    same "$(stat -c %U "$dir/open/ran")" daemon
}

@test "programs and files in argv, headers and SMTP are addresses, never run (DECISIONS A4)" {
    aliases ''
    conf 'maildomain = example.test'
    s 0 "|touch $dir/run@example.test" "/$dir/file@example.test"
    printf 'To: "|touch %s/run"@example.test\n\nx\n' "$dir" > "$dir/message"
    s 0 -t
    printf 'EHLO x\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<"|touch %s/run"@example.test>\r\nDATA\r\n\r\n.\r\nQUIT\r\n' "$dir" | sendmail -bs -odi > "$dir/replies"
    file_has "$dir/replies" "queued as"
    same "$(grep -c "RCPT TO:<.*touch $dir/run" "$(peer_log good)")" 2
    [ ! -e "$dir/run" ]
    # and an included list holds only addresses
    aliases "list: :include:$dir/list"
    printf '|touch %s/run\n"|touch %s/run"\n%s/file\n:include:%s/list\n' "$dir" "$dir" "$dir" "$dir" > "$dir/list"
    run sendmail -odi list < "$dir/message"
    [ ! -e "$dir/run" ] && [ ! -e "$dir/file" ]
}
