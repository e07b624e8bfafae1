# Real programs that call sendmail, unpacked from Debian packages, and the exact command lines of those
# that are not at hand (reference send.md 1.1): what each meant to send arrives.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send

setup_file() {
    certs_make
    example_zone | dns_start
    mx good 45 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve ehlo=SIZE 10000000;8BITMIME'
    # /usr/sbin/sendmail and /etc/mxtls, in this box only
    local bin=$BATS_FILE_TMPDIR/sbin etc=$BATS_FILE_TMPDIR/etc
    mkdir -p "$bin" "$etc/mxtls" "$BATS_FILE_TMPDIR/home"
    chmod 755 "$bin" "$etc" "$etc/mxtls" "$BATS_FILE_TMPDIR"
    ln -s "$MXTLS" "$bin/sendmail"
    ln -s "$MXTLS" "$bin/send-mail"
    cat > "$etc/mxtls/mxtls.conf" << CONF
log = $BATS_FILE_TMPDIR/log
queue = $BATS_FILE_TMPDIR/queue
maildomain = example.test
aliases = /nonexistent
CONF
    mount -t overlay -o "lowerdir=$bin:/usr/sbin" overlay /usr/sbin
    printf 'MAILTO=root\n* * * * * root echo "cron says Gr\303\274\303\237e"; echo .; echo more\n' > "$etc/crontab"
    mount -t overlay -o "lowerdir=$etc:/etc" overlay /etc
    # and what the box had put there
    local file
    for file in /run/box/etc/*; do mount --bind "$file" "/etc/${file##*/}"; done
    [ "$(readlink /usr/sbin/sendmail)" = "$MXTLS" ]
    export HOME=$BATS_FILE_TMPDIR/home PATH=/usr/sbin:$PATH LOG=$BATS_FILE_TMPDIR/log
    unset XDG_CONFIG_HOME XDG_STATE_HOME MAIL EMAIL
    cron_start
}

setup() {
    before=$(over)
}

# over: how many sessions of the server have ended.
over() {
    grep -cE '^S[0-9]+ end' "$(peer_log good)" || true
}

# Wait for one message more; the last session's number in S.
arrived() {
    local _
    for _ in $(seq 150); do
        S=$(over)
        if [ "$S" -ge $((before + 1)) ]; then return; fi
        read -rt 0.1 <> <(:) || true
    done
    assert_fail "nothing arrived" "$(tail -n 5 "$(peer_log good)" "$LOG")"
}

# envelope; header NAME; body: of session S.
envelope() {
    sed -n "s/^S$S C: \(MAIL FROM:\|RCPT TO:\)<\([^>]*\)>.*/\2/p" "$(peer_log good)" | xargs
}
header() {
    python3 -c '
import email, email.policy, sys
m = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
print(str(m.get(sys.argv[2], "")))' "$BATS_FILE_TMPDIR/S$S.1" "$1"
}
body() {
    tr -d '\r' < "$BATS_FILE_TMPDIR/S$S.1" | sed '1,/^$/d; s/^\.\././' # it keeps what was on the wire
}

# Debian's cron runs a job each minute: started here, looked at by the last test.
cron_start() {
    deb_command cron cron || return
    mount -t tmpfs -o mode=755,size=16m box /var/spool
    mkdir -p /var/spool/cron/crontabs
    "${DEB_COMMAND[@]}" -f 3>&- > "$BATS_FILE_TMPDIR/cron.log" 2>&1 &
    echo $! > "$BATS_FILE_TMPDIR/cron.pid"
}

# atd in the foreground, with its folders in this box; at makes a job that is due now.
at_start() {
    deb_command at atd || return
    mkdir -p /var/spool/cron/atjobs /var/spool/cron/atspool
    (umask 077 && : > /var/spool/cron/atjobs/.SEQ)
    chown -R daemon:daemon /var/spool/cron/atjobs /var/spool/cron/atspool
    chmod 1770 /var/spool/cron/atjobs /var/spool/cron/atspool
    # -l 99: whatever the load of this machine is, jobs begin
    "${DEB_COMMAND[@]}" -f -l 99 -b 1 3>&- > "$BATS_FILE_TMPDIR/atd.log" 2>&1 &
    echo $! > "$BATS_FILE_TMPDIR/atd.pid"
}

teardown_file() {
    if [ -e "$BATS_FILE_TMPDIR/atd.pid" ]; then kill "$(cat "$BATS_FILE_TMPDIR/atd.pid")"; fi

    kill "$(cat "$BATS_FILE_TMPDIR/cron.pid")"
}

@test "mutt: -oem -oi, sender from the user, -- recipients" {
    deb_command mutt mutt
    "${DEB_COMMAND[@]}" -n -F /dev/null -e 'set sendmail="/usr/sbin/sendmail -oem -oi"' -e 'set use_envelope_from=yes' \
        -e 'set from="me@example.test"' -e 'set hostname=example.test' -e 'set copy=no' -e 'set dsn_notify="failure,delay"' \
        -s 'from mutt' -c carl@example.test bob@example.test <<< $'line\n.\nlast' > /dev/null
    arrived
    same "$(envelope)" "me@example.test bob@example.test carl@example.test"
    same "$(header Subject)" "from mutt"
    same "$(body | xargs)" "line . last"
}

@test "s-nail: argv[0] and -- recipients" {
    deb_command s-nail s-nail
    "${DEB_COMMAND[@]}" -n -Smta=/usr/sbin/sendmail -r me@example.test -s 'from s-nail' bob@example.test <<< 'hello'
    arrived
    same "$(envelope)" "me@example.test bob@example.test"
    same "$(header Subject)" "from s-nail"
}

@test "bsd-mailx: send-mail -i -t or names as they were typed" {
    deb_command bsd-mailx bsd-mailx
    "${DEB_COMMAND[@]}" -n -s 'from mailx' bob@example.test carl <<< 'hello'
    arrived
    same "$(envelope)" "$(id -un)@example.test bob@example.test carl@example.test"
    same "$(header Subject)" "from mailx"
}

@test "git send-email: a patch by -i and recipients" {
    local repo=$BATS_TEST_TMPDIR/repo
    export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME='J. Doe' GIT_AUTHOR_EMAIL=me@example.test GIT_COMMITTER_NAME='J. Doe' \
        GIT_COMMITTER_EMAIL=me@example.test
    git init -q "$repo"
    git -C "$repo" commit -q --allow-empty -m first
    echo text > "$repo/file"
    git -C "$repo" add file
    git -C "$repo" commit -q -m 'Grüße in a patch'
    git -C "$repo" format-patch -q -1 -o "$BATS_TEST_TMPDIR"
    (cd "$repo" && PERL5LIB=$(perl_lib libmime-lite-perl) "$DEBS/git-email/usr/lib/git-core/git-send-email" \
        --sendmail-cmd=/usr/sbin/sendmail --confirm=never --quiet --from me@example.test --to bob@example.test --8bit-encoding=UTF-8 \
        --suppress-cc=all --envelope-sender=me@example.test "$BATS_TEST_TMPDIR"/0001-*.patch)
    arrived
    same "$(envelope)" "me@example.test bob@example.test"
    same "$(header Subject)" "[PATCH] Grüße in a patch"
}

@test "PHP mail(): -t -i, CRLF headers and LF text, -f from the fifth parameter" {
    local php
    php=$(basename "$(compgen -G "$DEBS/php-cli/usr/bin/php[0-9]*.[0-9]" || compgen -G "$DEBS/php-cli/usr/bin/php8*" | head -n 1)")
    deb_command php-cli "$php"
    run -0 "${DEB_COMMAND[@]}" -n -d sendmail_path='/usr/sbin/sendmail -t -i' -r '
        exit(mail("Bob <bob@example.test>", "from PHP", "one\n.\ntwo\r\nthree\n", "From: web@example.test\r\nBcc: hidden@example.test\r\nX-A: b", "-fbounce@example.test") ? 0 : 1);'
    arrived
    same "$(envelope)" "bounce@example.test bob@example.test hidden@example.test"
    same "$(header Bcc)$(header X-A)" b
    same "$(body | xargs)" "one . two three"
}

@test "Perl: Email::Sender and MIME::Lite" {
    PERL5LIB=$(perl_lib libemail-sender-perl) perl -e '
        use Email::Sender::Simple qw(sendmail); use Email::Sender::Transport::Sendmail; use Email::Simple;
        my $m = Email::Simple->create(header => [To => "bob\@example.test", From => "me\@example.test", Subject => "from Email::Sender"], body => "x\n");
        sendmail($m, { transport => Email::Sender::Transport::Sendmail->new({ sendmail => "/usr/sbin/sendmail" }), from => "env\@example.test" });'
    arrived
    same "$(envelope)" "env@example.test bob@example.test"
    same "$(header Subject)" "from Email::Sender"
    before=$(over)
    PERL5LIB=$(perl_lib libmime-lite-perl) perl -e '
        use MIME::Lite;
        my $m = MIME::Lite->new(From => "me\@example.test", To => "bob\@example.test", Bcc => "hid\@example.test", Subject => "from MIME::Lite", Data => "x\n");
        $m->send("sendmail", "/usr/sbin/sendmail -t -oi -oem") or die;'
    arrived
    same "$(envelope)" "$(id -un)@example.test bob@example.test hid@example.test"
    same "$(header Bcc)" ""
}

@test "Python: a message through a pipe, 8-bit and base64 parts" {
    python3 -c '
import subprocess
from email.message import EmailMessage
m = EmailMessage()
m["From"], m["To"], m["Subject"] = "me@example.test", "Jörg <bob@example.test>", "von Python: Grüße"
m.set_content("Grüße\n", cte="8bit")
m.add_attachment(b"\0\1\2" * 100, maintype="application", subtype="octet-stream")
subprocess.run(["/usr/sbin/sendmail", "-t", "-oi"], input=m.as_bytes(), check=True)'
    arrived
    same "$(envelope)" "$(id -un)@example.test bob@example.test"
    same "$(header Subject)" "von Python: Grüße"
    grep -q " BODY=8BITMIME" "$(peer_log good)"
}

@test "GNU mailutils: -oi -f user@host, a recipient, a name and a copy" {
    deb_command mailutils mail.mailutils
    "${DEB_COMMAND[@]}" --no-config -s 'from mailutils' -a 'X-A: b' \
        bob@example.test,carl@example.test <<< $'line\n.\nlast'
    arrived
    [[ " $(envelope) " == *" bob@example.test carl@example.test "* ]] || assert_fail "envelope" "$(envelope)"
    same "$(header Subject)$(header X-A)" "from mailutilsb"
    [[ $(body | xargs) == line* ]] || assert_fail "text" "$(body)"
}

@test "at: atd runs a job and mails its output to the user, by -i and a name" {
    at_start
    deb_command at at
    echo 'echo at says hello; echo .; echo more' | "${DEB_COMMAND[@]}" -m now 2> "$BATS_TEST_TMPDIR/at.err" || assert_fail "at" "$(cat "$BATS_TEST_TMPDIR/at.err")"
    local _ file=''
    for _ in $(seq 900); do
        file=$(grep -l 'at says hello' "$BATS_FILE_TMPDIR"/S*.1 2> /dev/null | head -n 1)
        if [ -n "$file" ]; then break; fi
        read -rt 0.1 <> <(:) || true
    done
    [ -n "$file" ] || assert_fail "no mail from atd" "$(tail -n 5 "$BATS_FILE_TMPDIR/atd.log" "$LOG"; ls -l /var/spool/cron/at*)"
    S=$(basename "$file" .1)
    S=${S#S}
    same "$(envelope)" "$(id -un)@example.test $(id -un)@example.test"
    [[ $(header Subject) == "Output from your job"* ]] || assert_fail "subject" "$(header Subject)"
    [[ $(body | xargs) == "at says hello . more" ]] || assert_fail "its output" "$(body)"
}

@test "Symfony's -bs dialogue, word by word" {
    printf '%s\r\n' 'EHLO [127.0.0.1]' 'MAIL FROM:<me@example.test>' 'RCPT TO:<bob@example.test>' DATA 'Subject: from Symfony' \
        'Message-ID: <a@b>' 'MIME-Version: 1.0' '' 'Hello' '..' . 'RSET' 'QUIT' | timeout 20 sendmail -bs > "$BATS_TEST_TMPDIR/replies"
    file_has "$BATS_TEST_TMPDIR/replies" "250 2.0.0 Ok: queued as "
    arrived
    same "$(envelope)" "me@example.test bob@example.test"
    same "$(header Subject)" "from Symfony"
}

# Programs that are daemons or bring half a distribution: their command lines, and what they write.
@test "at, sudo, mdadm, logwatch, smartd, fail2ban, PHPMailer, ruby, Emacs, mailutils, RT, Bugzilla: by their command lines" {
    local words want text bad='' me
    me=$(id -un)@example.test
    while IFS='|' read -r words text want; do
        before=$(over)
        # shellcheck disable=SC2086,SC2059 # words, and a format
        printf "$text" | run -0 --separate-stderr sendmail $words
        arrived
        if [ "$output$stderr" != "" ] || [ "$(envelope)" != "${want//ME/$me}" ]; then
            bad+="$words: $output$stderr, $(envelope), wanted $want"$'\n'
        fi
    done << 'ROWS'
-i root|Subject: Output from your job        1\nTo: root\n\nhi\n|ME root@example.test
-t|To: root\nFrom: root\nAuto-Submitted: auto-generated\nSubject: *** SECURITY information ***\n\nx\n|ME root@example.test
-t|To: root\nFrom: mdadm monitoring <root>\nSubject: DegradedArray\n\nx\n.\nlost\n|ME root@example.test
-t|To: bob@example.test\nFrom: logwatch@client\nSubject: Logwatch\n\nx\n|ME bob@example.test
bob@example.test carl@example.test|Subject: smartd\n\nx\n|ME bob@example.test carl@example.test
-f fail2ban bob@example.test|Subject: [Fail2Ban] sshd\nFrom: Fail2Ban <fail2ban>\nTo: bob@example.test\n\nx|fail2ban@example.test bob@example.test
-oi -fweb@example.test -t|To: bob@example.test\nSubject: PHPMailer\r\n\r\nx\r\n|web@example.test bob@example.test
-i -f me@example.test -- bob@example.test|Subject: ruby\r\n\r\nx\r\n|me@example.test bob@example.test
-oi -f me@example.test -oAfile -oem -odb -t|To: bob@example.test\nSubject: Emacs\n\nx\n|me@example.test bob@example.test
-oi -f root@client.box.test bob@example.test|Subject: mailutils\n\nx\n|root@client.box.test bob@example.test
-oi -t -ODeliveryMode=b -OErrorMode=m -f <>|To: bob@example.test\nSubject: RT\n\nx\n|bob@example.test
-i -f bugzilla@example.test -- bob@example.test|To: bob@example.test\nSubject: Bugzilla\n\nx\n|bugzilla@example.test bob@example.test
-FCronDaemon -i -odi -oem -oi -t -f root|From: "(Cron Daemon)" <root>\nTo: root\nSubject: cronie\n\nx\n|root@example.test root@example.test
ROWS
    same "$bad" ""
}

@test "Debian's cron: a job's output arrives, with its lone dot and raw UTF-8, from an address that others take" {
    local _ file=''
    for _ in $(seq 900); do
        file=$(grep -l 'cron says' "$BATS_FILE_TMPDIR"/S*.1 2> /dev/null | head -n 1)
        if [ -n "$file" ]; then break; fi
        read -rt 0.1 <> <(:) || true
    done
    [ -n "$file" ] || assert_fail "no mail from cron" "$(tail -n 5 "$BATS_FILE_TMPDIR/cron.log" "$LOG")"
    S=$(basename "$file" .1)
    S=${S#S}
    same "$(envelope)" "root@example.test root@example.test"
    file_has "$file" "From: root@example.test (Cron Daemon)"
    has_line=$(body)
    [[ $has_line == *"cron says Grüße"*"more"* ]] || assert_fail "its output" "$has_line"
}
