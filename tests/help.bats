# The command line before any work is done: help, errors, exit statuses, and that the manual pages
# say what the tables say.
# shellcheck disable=SC2016 # single quotes: for the inner shell to expand
# shellcheck disable=SC2154 # stderr and stderr_lines are set by run --separate-stderr
load lib/rig

setup() {
    cd "$BATS_TEST_DIRNAME/.." || exit 1
    COMMANDS='probe report send queue policy listen'
}

@test "every option, argument name and default of --help is in the manual page, and the other way round" {
    local command dir=$BATS_TEST_TMPDIR
    for command in $COMMANDS; do
        "$MXTLS" "$command" --help | sed '/^Examples:/,$d' | awk -f tests/lib/help-rows.awk | sort > "$dir/help"
        awk -v mdoc=1 -f tests/lib/help-rows.awk "man/mxtls-$command.1" | sort > "$dir/man"
        [ "$(wc -l < "$dir/help")" -gt 10 ]
        diff -u "$dir/help" "$dir/man"
    done
}

@test "every field of --list-fields is in mxtls-output(7), and the other way round" {
    sed -n '/^\.\\" fields:/,/^\.\\" end of fields/p' man/mxtls-output.7 | sed '1d;$d' > "$BATS_TEST_TMPDIR/man"
    tests/lib/man-fields "$MXTLS" > "$BATS_TEST_TMPDIR/table"
    [ "$(grep -c '^.It Va' "$BATS_TEST_TMPDIR/table")" -gt 100 ]
    diff -u "$BATS_TEST_TMPDIR/table" "$BATS_TEST_TMPDIR/man" || assert_fail "run: make man-fields" ""
}

@test "every field of listen's log is in mxtls-listen(1), and the other way round" {
    sed -n '/^\.\\" fields:/,/^\.\\" end of fields/p' man/mxtls-listen.1 | sed '1d;$d' > "$BATS_TEST_TMPDIR/man"
    COMMAND=listen tests/lib/man-fields "$MXTLS" > "$BATS_TEST_TMPDIR/table"
    [ "$(grep -c '^.It Va' "$BATS_TEST_TMPDIR/table")" -gt 20 ]
    diff -u "$BATS_TEST_TMPDIR/table" "$BATS_TEST_TMPDIR/man" || assert_fail "run: make man-fields" ""
}

@test "every command is listed, has a manual page, and is in mxtls(1)" {
    local command
    run -0 bash -c '"$MXTLS" --help | sed -n "/^Commands:/,/^\$/s/^  \([a-z]*\) .*/\1/p"'
    same "${output//$'\n'/ }" "$COMMANDS help"
    for command in $COMMANDS; do
        file_has man/mxtls.1 ".It Cm $command"
        file_has "man/mxtls-$command.1" ".Nm mxtls $command"
    done
}

@test "the manual pages pass mandoc's lint" {
    run -0 mandoc -T lint -W warning man/*.[1-8]
}

@test "--help is a result: on stdout, status 0, at most 80 columns" {
    local command
    for command in $COMMANDS; do
        run -0 --separate-stderr "$MXTLS" "$command" --help
        same "$stderr" ""
        has "Usage: mxtls $command "
        has "Examples:"
        # a command line to copy may be longer
        same "$(grep -v '^  mxtls' <<< "$output" | awk 'length > 80')" ""
        same "$output" "$("$MXTLS" help "$command")"
        run -0 "$MXTLS" "$command" -v --help --nonsense
    done
    run -0 --separate-stderr "$MXTLS" -h
    same "$output" "$("$MXTLS" help)"
}

@test "--version tells the version" {
    run -0 --separate-stderr "$MXTLS" --version
    matches '^mxtls [0-9]+\.[0-9]+\.[0-9]+$'
    matches '^OpenSSL [0-9]'
    same "$stderr" ""
}

@test "no arguments: a short usage on stderr, status 64" {
    run -64 --separate-stderr "$MXTLS"
    same "$output" ""
    [[ $stderr == "Usage: mxtls COMMAND"* ]] || assert_fail "no usage" "$stderr"
}

@test "a mistyped command or option names the one that was probably meant, status 64" {
    while IFS='|' read -r words message; do
        # shellcheck disable=SC2086 # words are words
        run -64 --separate-stderr "$MXTLS" $words
        same "$output" ""
        same "${stderr_lines[0]}" "$message"
        [[ ${stderr_lines[1]} == "Try 'mxtls "*"--help'." ]] || assert_fail "no hint" "$stderr"
    done << 'ROWS'
prob|mxtls: unknown command 'prob', did you mean 'probe'?
lisetn|mxtls: unknown command 'lisetn', did you mean 'listen'?
xyzzy|mxtls: unknown command 'xyzzy'
help prob|mxtls: unknown command 'prob', did you mean 'probe'?
--verison|mxtls: unknown option '--verison', did you mean '--version'?
-x|mxtls: unknown option '-x'
probe --jsno example.com|mxtls probe: unknown option --jsno, did you mean --json?
probe example.com --time 3s|mxtls probe: unknown option --time, did you mean --timeout?
probe --port 99999 x|mxtls probe: option --port: "99999" is not a number from 1 to 65535
probe --timeout=soon x|mxtls probe: option --timeout: "soon" is not a duration: expected a number with ms, s, m, h or d, such as 30s
probe --ca-file= x|mxtls probe: option --ca-file: empty value: expected FILE
probe x --helo|mxtls probe: option --helo needs a value: NAME
probe --format jsno x|mxtls probe: option --format: unknown value "jsno", did you mean "json"? Expected text, json, csv, nagios or prometheus
listen --tls=on 127.0.0.1:0|mxtls listen: option --tls: unknown value "on": expected off, offered or required
listen --tls require 127.0.0.1:0|mxtls listen: option --tls: unknown value "require", did you mean "required"? Expected off, offered or required
listen --json 127.0.0.1:0|mxtls listen: unknown option --json
send --via|mxtls send: option --via needs a value: HOST:PORT
send me@a.example --json|mxtls send: option --json must stand before "me@a.example"
ROWS
}

@test "what is missing is said, status 64" {
    run -64 "$MXTLS" probe
    has "no target"
    run -64 "$MXTLS" send < /dev/null
    has "no recipient"
    run -64 "$MXTLS" listen
    has "expected 1 to 7 ADDRESS:PORT"
    run -64 "$MXTLS" listen --stdio 127.0.0.1:0
    has "--stdio takes no ADDRESS:PORT"
    run -64 "$MXTLS" listen --self-signed 127.0.0.1:0
    has "--deliver is missing"
    run -64 "$MXTLS" listen --deliver discard 127.0.0.1:0
    has "STARTTLS needs --cert and --key, or --self-signed"
}

@test "control characters of the command line do not reach the terminal" {
    run -64 "$MXTLS" probe $'--\e[31mred'
    has "--?[31mred"
    run -64 "$MXTLS" $'\e]0;title\a'
    has "'?]0;title?'"
}

@test "results that cannot be written are an error, status 74" {
    local arguments
    for arguments in --version --help 'probe --help' 'probe --list-fields'; do
        # shellcheck disable=SC2086 # arguments are words
        run -74 bash -c '"$MXTLS" "$@" > /dev/full' bash $arguments
        has "mxtls: cannot write to standard output"
    done
}

@test "a reader that went away is no error and draws no message" {
    cd "$BATS_TEST_TMPDIR"
    mkfifo out gate
    { # open, close, and only then let the writer go
        : < out
        echo > gate
    } 3>&- &
    exec 5> out
    read -r _ < gate
    run -0 bash -c '"$MXTLS" probe --list-fields >&5'
    same "$output" ""
    exec 5>&-
    wait $!
}

@test "closed standard descriptors do no harm" {
    run -0 bash -c '"$MXTLS" --version <&- >&- 2>&-'
    run -64 bash -c '"$MXTLS" probe <&- >&- 2>&-'
}

@test "a setgid mxtls refuses to run, status 77" {
    cp "$MXTLS" "$BATS_TEST_TMPDIR/mxtls"
    chgrp daemon "$BATS_TEST_TMPDIR/mxtls" || skip "may not change groups here"
    chmod 2755 "$BATS_TEST_TMPDIR/mxtls"
    run -77 "$BATS_TEST_TMPDIR/mxtls" --version
    has "must not be installed setuid or setgid"
}
