# shellcheck shell=bash
# System mode in a box: installed below /run/box/usr, its queue on a tmpfs, two users. Needs lib/send.
#
#   system_install                    # once, in setup_file; sendmail and mailq are in PATH
#   runner_start [OPTION...]          # mxtls queue run --loop 1h, as the user mxtls; RUNNER_AS=root as root
#   runner_stop
#   as alice sendmail -t < message    # with alice's rights, and none of the group mxtls
#   S, INCOMING                       # the queue, and what mxtls-submit writes to
#   settle                            # wait until incoming/ is empty

export S=/var/spool/mxtls INCOMING=/var/spool/mxtls/incoming USR=/run/box/usr RUNNER_LOG=/run/box/runner.log

system_install() {
    mount -t tmpfs -o mode=0755 spool /var/spool
    mount -t tmpfs -o mode=0755 lib /var/lib
    make -s -C "$ROOT" install B="$(dirname "$MXTLS")" SYSTEM=1 WITH_SENDMAIL=1 PREFIX="$USR" \
        SENDMAIL_LINKS="$USR/sbin/sendmail $USR/bin/mailq $USR/bin/newaliases $USR/bin/runq" > /dev/null
    mkdir -p /run/box/etc-mxtls
    mkdir -p /etc/mxtls
    mount --bind /run/box/etc-mxtls /etc/mxtls
    : > "$RUNNER_LOG"
    chmod 666 "$RUNNER_LOG"
    export PATH=$USR/sbin:$USR/bin:$PATH
}

as() {
    local user=$1
    shift
    (cd / && exec setpriv --reuid "$user" --regid "$user" --clear-groups -- "$@")
}

runner_start() {
    (
        cd / || exit
        if [ "${RUNNER_AS:-mxtls}" = root ]; then
            exec mxtls queue run --loop 1h --log "$RUNNER_LOG" "$@"
        fi
        exec setpriv --reuid mxtls --regid mxtls --clear-groups -- mxtls queue run --loop 1h --log "$RUNNER_LOG" "$@"
    ) > /run/box/runner.out 2>&1 3>&- &
    RUNNER=$!
    export RUNNER
    local _
    for _ in $(seq 300); do
        # somebody reads the FIFO, so there is a runner
        if [ -p "$S/wake" ] && as mxtls python3 -c '
import os
os.open("/var/spool/mxtls/wake", os.O_WRONLY | os.O_NONBLOCK)' 2> /dev/null; then return; fi
        read -rt 0.1 <> <(:) || true
    done
    assert_fail "the runner did not come up" "$(cat /run/box/runner.out)"
}

runner_stop() {
    kill "$RUNNER" 2> /dev/null || true
    timeout 30 tail --pid="$RUNNER" -s 0.1 -f /dev/null || kill -s KILL "$RUNNER"
    wait "$RUNNER" || true
}

# Root's, which works as mxtls: LeakSanitizer cannot look into a process that gave rights away.
run_queue() {
    (cd / && ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 timeout 60 mxtls queue run --log "$RUNNER_LOG" "$@")
}

submissions() {
    find "$INCOMING" -mindepth 1 ! -name 'tmp.*' ! -name 'reply.*' | wc -l
}

settle() {
    local _
    for _ in $(seq 300); do
        if [ "$(submissions)" = 0 ]; then return; fi
        read -rt 0.1 <> <(:) || true
    done
    assert_fail "incoming/ does not get empty" "$(ls -l "$INCOMING"; cat "$RUNNER_LOG")"
}

# Everything out of the queue.
system_clear() {
    find "$S" -type f ! -name run.lock ! -name last-run -delete
    find "$INCOMING" -mindepth 1 -delete
    : > "$RUNNER_LOG"
}
