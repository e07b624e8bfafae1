# A walk through sendmail's command line and messages, point by point (reference send.md 1.2-1.5), against the program itself:
# every flag glued and separate, the -t algorithm, odd messages, exit statuses.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send

setup_file() {
    certs_make
    {
        example_zone
        echo 'null.test. MX 0 .'
        echo 'refused.test. MX 10 h46.box.test.'
        echo 'h46.box.test. A 192.0.2.46'
        echo 'xn--bcher-kva.test. MX 10 h45.box.test.'
    } | dns_start
    mx good 45 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve ehlo=SIZE 10000000;8BITMIME;DSN'
    mx no 46 'send 220 mx ESMTP' 'serve rcpt:user=550 5.1.1 no such user,rcpt:policy=550 5.7.1 not for you,rcpt:full=452 4.2.2 full'
    mkdir -p "$BATS_FILE_TMPDIR/bin" "$BATS_FILE_TMPDIR/config/mxtls"
    ln -s "$MXTLS" "$BATS_FILE_TMPDIR/bin/sendmail"
    printf '%s\n' "log = $BATS_FILE_TMPDIR/log" 'maildomain = example.test' 'aliases = /nonexistent' > "$BATS_FILE_TMPDIR/config/mxtls/mxtls.conf"
    export XDG_CONFIG_HOME=$BATS_FILE_TMPDIR/config PATH=$BATS_FILE_TMPDIR/bin:$PATH LOG=$BATS_FILE_TMPDIR/log
    printf 'From: f@example.test\nTo: to@example.test\nBcc: bcc@example.test\nSubject: x\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <1@x>\n\none\n.\ntwo\n' > "$BATS_FILE_TMPDIR/m"
    ME=$(id -un)@example.test
    export ME
}

# The last message as it was on the wire, without its stuffed dots; its envelope.
sent() {
    sed 's/^\.\././' "$BATS_FILE_TMPDIR/S$(sessions good).1"
}
envelope() {
    sed -n "s/^S$(sessions good) C: \(MAIL FROM:\|RCPT TO:\)<\([^>]*\)>.*/\2/p" "$(peer_log good)" | xargs
}

# One after the other, each with words of sendmail, what the envelope must be, and words that must be in the dialogue or
# the text ("!" in front: must not).
walk() {
    local words want more bad='' word text
    while IFS='|' read -r words want more; do
        if [ -z "$words" ]; then continue; fi
        eval "run --separate-stderr sendmail -odi $words" < "$BATS_FILE_TMPDIR/m"
        if [ "$status" -ne 0 ] || [ "$output$stderr" != "" ] || [ "$(envelope)" != "${want//ME/$ME}" ]; then
            bad+="$words: status $status, $output$stderr, envelope $(envelope), wanted ${want//ME/$ME}"$'\n'
            continue
        fi
        text=$(sent; grep "^S$(sessions good) C: " "$(peer_log good)")
        for word in $more; do
            word=${word//_/ }
            if [ "${word#!}" != "$word" ]; then
                [[ $text != *"${word#!}"* ]] || bad+="$words: has ${word#!}"$'\n'
            else
                [[ $text == *"$word"* ]] || bad+="$words: lacks $word: $text"$'\n'
            fi
        done
    done
    same "$bad" ""
}

@test "1.2: every flag, glued and separate, in clusters, before --; the first operand ends them" {
    walk << 'ROWS'
a@example.test|ME a@example.test|one !two !Bcc
-i a@example.test|ME a@example.test|two
-oi a@example.test|ME a@example.test|two
-oitrue a@example.test|ME a@example.test|two
-t|ME to@example.test bcc@example.test|!Bcc !bcc@example.test\r
-ti|ME to@example.test bcc@example.test|two
-it|ME to@example.test bcc@example.test|two
-t -i -- a@example.test|ME to@example.test bcc@example.test a@example.test|two
-fs@example.test a@example.test|s@example.test a@example.test|
-f s@example.test a@example.test|s@example.test a@example.test|
-rs@example.test a@example.test|s@example.test a@example.test|
-r s@example.test a@example.test|s@example.test a@example.test|
-f '' a@example.test|a@example.test|FROM:<>
-f '<>' a@example.test|a@example.test|FROM:<>
-f '<s@example.test>' a@example.test|s@example.test a@example.test|
-f 'Sam <s@example.test>' a@example.test|s@example.test a@example.test|
-f s a@example.test|s@example.test a@example.test|
-if s@example.test a@example.test|s@example.test a@example.test|two
-FName a@example.test|ME a@example.test|!Name
-F Name a@example.test|ME a@example.test|!Name
-bm a@example.test|ME a@example.test|
-oem a@example.test|ME a@example.test|
-oep a@example.test|ME a@example.test|
-oew a@example.test|ME a@example.test|
-oeq a@example.test|ME a@example.test|
-oee a@example.test|ME a@example.test|
-em a@example.test|ME a@example.test|
-ep a@example.test|ME a@example.test|
-B7BIT a@example.test|ME a@example.test|
-B 8BITMIME a@example.test|ME a@example.test|
-B8BITMIME a@example.test|ME a@example.test|
-Nnever a@example.test|ME a@example.test|NOTIFY=NEVER
-N never a@example.test|ME a@example.test|NOTIFY=NEVER
-N success,failure a@example.test|ME a@example.test|NOTIFY=SUCCESS,FAILURE
-Ndelay a@example.test|ME a@example.test|NOTIFY=DELAY
-Rfull a@example.test|ME a@example.test|RET=FULL
-R hdrs a@example.test|ME a@example.test|RET=HDRS
-Vid+1 a@example.test|ME a@example.test|ENVID=id+2B1
-V id a@example.test|ME a@example.test|ENVID=id
-ODeliveryMode=i a@example.test|ME a@example.test|
-O DeliveryMode=i a@example.test|ME a@example.test|
-OErrorMode=m a@example.test|ME a@example.test|
-O SMTPUTF8=yes a@example.test|ME a@example.test|
-O REQUIRETLS=no a@example.test|ME a@example.test|!REQUIRETLS
-U a@example.test|ME a@example.test|
-Ac a@example.test|ME a@example.test|
-Am a@example.test|ME a@example.test|
-G a@example.test|ME a@example.test|
-h3 a@example.test|ME a@example.test|
-h 3 a@example.test|ME a@example.test|
-Ltag a@example.test|ME a@example.test|
-L tag a@example.test|ME a@example.test|
-m a@example.test|ME a@example.test|
-n a@example.test|ME a@example.test|
-o7 a@example.test|ME a@example.test|
-o8 a@example.test|ME a@example.test|
-om a@example.test|ME a@example.test|
-oo a@example.test|ME a@example.test|
-oAfile a@example.test|ME a@example.test|
-oMrsmtp a@example.test|ME a@example.test|
-psmtp a@example.test|ME a@example.test|
-p smtp a@example.test|ME a@example.test|
-x a@example.test|ME a@example.test|
-E a@example.test|ME a@example.test|
-J a@example.test|ME a@example.test|
-X/nonexistent/x a@example.test|ME a@example.test|
-X /nonexistent/x a@example.test|ME a@example.test|
-C/nonexistent/c a@example.test|ME a@example.test|
-C /nonexistent/c a@example.test|ME a@example.test|
-D/nonexistent/d a@example.test|ME a@example.test|
-d21.4 a@example.test|ME a@example.test|
a@example.test -t|ME a@example.test -t@example.test|!to@example.test>
-- -t@example.test|ME -t@example.test|
a@example.test,b@example.test 'C <c@example.test>'|ME a@example.test b@example.test c@example.test|
ROWS
    [ ! -e /nonexistent ]
}

# m TEXT: the message, with printf's escapes.
m() {
    # shellcheck disable=SC2059 # it is a format
    printf "$1" > "$BATS_FILE_TMPDIR/m"
}

# t MESSAGE ENVELOPE [WORD]...: with -t and -i
t() {
    m "$1"
    run --separate-stderr sendmail -odi -t -i < "$BATS_FILE_TMPDIR/m"
    same "$status: $output$stderr" "0: "
    same "$(envelope)" "${2//ME/$ME}"
}

@test "1.4: the -t algorithm, step by step" {
    # 1: where the header ends: an empty line, the end of the input, a line that is no field; From lines go
    t 'To: a@example.test\n\nCc: no@example.test\n' 'ME a@example.test'
    t 'Cc: c@example.test\nTo: a@example.test' 'ME c@example.test a@example.test'
    t 'To: a@example.test\nno field\nCc: no@example.test\n' 'ME a@example.test'
    [[ $(sent) == *$'\r\n\r\nno field\r\nCc: no@example.test'* ]] || assert_fail "the body" "$(sent)"
    t 'From x@y Mon Jan  1 00:00:00 2024\nTo: a@example.test\n\nx\n' 'ME a@example.test'
    t '>From x@y Mon Jan  1 00:00:00 2024\nTo: a@example.test\n\nx\n' 'ME a@example.test'
    [[ $(sent) != *'From x@y'* ]] || assert_fail "From line" "$(sent)"
    # 2: unfolded, any case, blanks before the colon
    t 'to :\n a@example.test\n\t,b@example.test\nCC:c@example.test\n\nx\n' 'ME a@example.test b@example.test c@example.test'
    # 3: the topmost block of Resent- fields; not Apparently-To
    t 'Resent-To: r@example.test\nResent-Bcc: s@example.test\nReceived: x\nResent-To: old@example.test\nTo: a@example.test\n\nx\n' 'ME r@example.test s@example.test'
    [[ $(sent) != *Resent-Bcc* && $(sent) != *s@example.test* ]] || assert_fail "Resent-Bcc" "$(sent)"
    t 'To: a@example.test\nApparently-To: no@example.test\n\nx\n' 'ME a@example.test'
    # a resent message whose block lacks them gets them, although the message has its own
    t 'Resent-To: r@example.test\nFrom: f@example.test\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <1@x>\nTo: a@example.test\n\nx\n' 'ME r@example.test'
    same "$(sent | grep -cE '^Resent-(From|Date|Message-ID): ')" 3
    same "$(sent | grep -cE '^(From|Date|Message-ID): ')" 3
    # 4: what cannot be parsed loses no other; nothing parses: 65
    m 'To: <broken, b@example.test, John Smith\nCc: c@example.test\n\nx\n'
    run -0 --separate-stderr sendmail -odi -t < "$BATS_FILE_TMPDIR/m"
    same "$(envelope)" "$ME b@example.test c@example.test"
    m 'To: <broken\n\nx\n'
    run -65 sendmail -odi -t < "$BATS_FILE_TMPDIR/m"
    m 'To: undisclosed-recipients:;\n\nx\n'
    run -64 sendmail -odi -t < "$BATS_FILE_TMPDIR/m"
    # 6: each once
    t 'To: a@example.test\nCc: <a@EXAMPLE.test>\nBcc: "a"@example.test\n\nx\n' 'ME a@example.test'
    # 7: deleted: Bcc folded, twice, last; Return-Path, Content-Length
    t 'Bcc: a@example.test,\n b@example.test\nBCC :\n\tc@example.test\nReturn-Path: <r@x>\nContent-Length: 5\nSubject: x\nbcc: d@example.test' 'ME a@example.test b@example.test c@example.test d@example.test'
    # by their names: a Message-ID may have "bcc" in it
    same "$(sent | grep -iE '^(bcc|return-path|content-length)[ :]|@example.test,')" ""
    # 8: the sender is the user's login name, whatever the environment says
    m 'To: a@example.test\n\nx\n'
    USER=other LOGNAME=other EMAIL=other@example.test sendmail -odi -t < "$BATS_FILE_TMPDIR/m"
    same "$(envelope)" "$ME a@example.test"
    # 9: From is added with -F, encoded where it is not ASCII
    m 'To: a@example.test\n\nx\n'
    sendmail -odi -F 'Jörg, J.' -f j@example.test -t < "$BATS_FILE_TMPDIR/m"
    sent > "$BATS_TEST_TMPDIR/sent"
    same "$(python3 -c 'import email, email.policy, sys; print(email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)["From"])' "$BATS_TEST_TMPDIR/sent")" '"Jörg, J." <j@example.test>'
    LC_ALL=C grep -q $'[\x80-\xff]' "$BATS_TEST_TMPDIR/sent" && assert_fail "8-bit header" "$(sent)"
    # 10: without a domain: the mail domain; header addresses are qualified, their comments stay
    t 'From: root (Cron Daemon)\nTo: root, x (a, b)\nReply-To: ops\n\nx\n' 'ME root@example.test x@example.test'
    [[ $(sent) == *'From: root@example.test (Cron Daemon)'*'To: root@example.test, x@example.test (a, b)'*'Reply-To: ops@example.test'* ]] ||
        assert_fail "qualified" "$(sent)"
}

@test "1.3: odd messages arrive: line ends, NUL, no end, header alone, body alone, long lines, 8-bit, IDN" {
    local before
    t 'To: a@example.test\r\nSubject: crlf\r\n\r\none\r\n' 'ME a@example.test'
    [[ $(sent) == *$'\r\n\r\none\r' && $(sent) != *$'\r\r'* ]] || assert_fail "CRLF" "$(sent | cat -A)"
    t 'To: a@example.test\nSubject: mixed\r\n\none\r\ntwo\nthree' 'ME a@example.test'
    [[ $(sent) == *$'\r\n\r\none\r\ntwo\r\nthree\r' ]] || assert_fail "mixed" "$(sent | cat -A)"
    t 'To: a@example.test\n\na\rb\0c\n' 'ME a@example.test'
    [[ $(sent | tr -d '\n' | tail -c 5) == $'a bc\r' ]] || assert_fail "bare CR, NUL" "$(sent | cat -A)"
    m 'just text\n'
    sendmail -odi -f s@example.test a@example.test < "$BATS_FILE_TMPDIR/m"
    [[ $(sent) == *$'\r\n\r\njust text\r' && $(sent) == *"From: "*"s@example.test"* ]] || assert_fail "body alone" "$(sent)"
    m ''
    sendmail -odi -f s@example.test a@example.test < "$BATS_FILE_TMPDIR/m"
    same "$(sent | grep -cE '^(From|Date|Message-ID): ')" 3
    # lines over 998, in header and body, arrive whole and are short on the wire
    { printf 'To: a@example.test\nSubject: '; for _ in $(seq 300); do printf 'word '; done; printf '\n\n'; head -c 5000 /dev/zero | tr '\0' 'x'; } > "$BATS_FILE_TMPDIR/m"
    sendmail -odi -t < "$BATS_FILE_TMPDIR/m"
    sent > "$BATS_TEST_TMPDIR/sent"
    same "$(awk '{ if (length($0) > 999) n++ } END { print n + 0 }' "$BATS_TEST_TMPDIR/sent")" 0
    same "$(python3 -c '
import email, email.policy, sys
m = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
print(len(m["Subject"].split()), len(m.get_content().strip()))' "$BATS_TEST_TMPDIR/sent")" "300 5000"
    # raw UTF-8 in Subject and names is encoded; the body stays
    t 'From: J\303\266rg <j@example.test>\nTo: a@example.test\nSubject: Gr\303\274\303\237e \346\227\245\346\234\254\n\nGr\303\274\303\237e\n' 'ME a@example.test'
    sent > "$BATS_TEST_TMPDIR/sent"
    same "$(python3 -c '
import email, email.policy, sys
m = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
print(m["Subject"], m["From"])' "$BATS_TEST_TMPDIR/sent")" 'Grüße 日本 Jörg <j@example.test>'
    sed '/^.$/,$d' "$BATS_TEST_TMPDIR/sent" | LC_ALL=C grep -q $'[\x80-\xff]' && assert_fail "8-bit header" "$(sent)"
    grep -q 'Grüße' "$BATS_TEST_TMPDIR/sent"
    grep -q "^S$(sessions good) C: MAIL .*BODY=8BITMIME" "$(peer_log good)"
    # U-labels become A-labels; an address that needs SMTPUTF8 fails where it is not offered
    t 'To: a@b\303\274cher.test\n\nx\n' 'ME a@xn--bcher-kva.test'
    m 'x\n'
    before=$(sessions good)
    run -65 --separate-stderr sendmail -odi -oep 'jörg@example.test' < "$BATS_FILE_TMPDIR/m"
    ! grep -q "^S$((before + 1)) data" "$(peer_log good)" || assert_fail "sent all the same" "$(tail -n 5 "$(peer_log good)")"
}

@test "1.5: exit statuses" {
    m 'Subject: x\n\nx\n'
    local row want words bad=''
    for row in "0 a@example.test" "64 -odi" "64 -t" "65 <broken" "67 -oep user@refused.test" "68 -oep a@none.test" "68 -oep a@null.test" "69 -oep policy@refused.test" \
        "0 full@refused.test" "0 -oee user@refused.test" "64 --json a@example.test" "64 -bx" "65 -f <broken a@example.test"; do
        read -r want words <<< "$row"
        # shellcheck disable=SC2086 # words
        run --separate-stderr sendmail -odi $words < "$BATS_FILE_TMPDIR/m"
        [ "$status" -eq "$want" ] || bad+="$words: $status, wanted $want: $stderr"$'\n'
    done
    same "$bad" ""
    # 75 only where nothing was kept
    run -75 "$MXTLS" send --no-queue full@refused.test < "$BATS_FILE_TMPDIR/m"
    run -73 --separate-stderr env XDG_STATE_HOME=/proc/nowhere sendmail -odi a@example.test < "$BATS_FILE_TMPDIR/m"
}
