# shellcheck shell=bash
# Receivers under test, and a dialogue with one, line by line.
#
#   listen_start mx --accept ok.test --deliver discard --self-signed 192.0.2.40:0
#   at=$(listen_at mx)                 # 192.0.2.40:43121; "listen_at mx 2": of its second address
#   dial "$at"; hear 220               # a connection of this test, the reply must have that code
#   say "EHLO client.box.test"; hear 250
#   hear closed
#   listen_stop_all                    # in teardown and teardown_file: each must end well
#   listen_said mx '"event":"message"' # waits until its log has such a line

# In its sandbox a worker's sanitizer cannot open the file of its reports any more: they go into the log of the
# peer, and listen_stop_all looks there. Nor can it look for leaks: so tests under a sanitizer that ask for no workers
# have none.
listen_start() {
    local name=$1
    local -a with=()
    shift
    case " $* " in
    *' --workers '* | *' --user '* | *' --stats '*)
        with=(env ASAN_OPTIONS="$(reports_to_stderr "${ASAN_OPTIONS:-}")" UBSAN_OPTIONS="$(reports_to_stderr "${UBSAN_OPTIONS:-}")")
        ;;
    *)
        if [[ $MXTLS == */san-* ]]; then set -- --workers 0 "$@"; fi
        ;;
    esac
    peer_start "$name" '^listening on ' "${with[@]}" "$MXTLS" listen "$@" || return
    echo "$name" >> "${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/listening"
}

reports_to_stderr() {
    sed -E 's/(^|:)log_path=[^:]*/\1log_path=stderr/' <<< "$1"
}

# Those that were started in this test (or in setup_file) and still run: two signals end every session,
# the exit status must be 0 (with a sanitizer: no leak).
listen_stop_all() {
    local list=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/listening name pid
    if ! [ -e "$list" ]; then return; fi
    while read -r name; do
        if grep -E 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$(peer_log "$name")"; then
            assert_fail "a sanitizer reports, in the log of" "$name"
        fi
        if [ -e "$BOX/peers/$name.status" ]; then continue; fi
        pid=$(peer_pid "$name")
        kill -TERM "$pid"
        kill -TERM "$pid" 2> /dev/null || true # an idle one is gone already
        peer_end "$name"
        same "$PEER_STATUS" 0
    done < <(sort -u "$list")
}

listen_at() {
    sed -n 's/^listening on //p' "$(peer_log "$1")" | sed -n "${2:-1}p"
}

listen_said() {
    peer_wait_line "$1" "$2"
}

# A connection in DIALLED, kept open until `hang_up` or the end of the test. Without fibers a server
# has it in a child, and the next dial does not close the one before: keep the number to go back.
dial() {
    exec {DIALLED}<> "/dev/tcp/${1%:*}/${1##*:}"
}

hang_up() {
    exec {DIALLED}>&-
}

say() {
    printf '%s\r\n' "$1" >&"$DIALLED"
}

# hear CODE: one complete reply, its last line in HEARD; hear closed: the end of the connection.
hear() {
    local line
    while IFS= read -r -t 20 -u "$DIALLED" line; do
        HEARD=${line%$'\r'}
        if [ "${HEARD:3:1}" = - ]; then continue; fi
        [[ $HEARD == "$1"* ]] || assert_fail "wanted a reply $1" "$HEARD"
        return
    done
    [ "$1" = closed ] || assert_fail "wanted a reply $1" "the end"
}

# new_mail MAILDIR [COUNT]: how many; with COUNT sets MAIL to the only or newest one, when there are that many
new_mail() {
    local -a files=("$1"/new/*)
    [ -e "${files[0]}" ] || files=()
    if [ $# -eq 1 ]; then
        echo ${#files[@]}
        return
    fi
    same "${#files[@]}" "$2"
    MAIL=${files[*]:(-1)}
    export MAIL
}

# readme_commands TITLE: the commands of the README below the line that begins so, a line each, without their prompts
# and the & at their ends
readme_commands() {
    awk -v title="$1" 'index($0, title) == 1 { on = 1; next } on && /^    / { print; seen = 1; next } on && seen { exit }' "$ROOT/README.md" |
        sed -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}' -e 's/^    [$#] //' -e 's/ &$//'
}

# wait_until COMMAND ARG...: until it succeeds, 20 seconds at most
wait_until() {
    local i
    for ((i = 0; i < 200; i++)); do
        if "$@"; then return; fi
        sleep 0.1
    done
    assert_fail "in vain" "$*"
}
