# shellcheck shell=bash
# Background programs with a name: started, waited for by a line they print, stopped by pid.
#
#   peer_start mx '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.20:25 serve
#   port=$(peer_field mx '^ready' 2)      # second word of its ready line
#   run -0 "$MXTLS" probe "[192.0.2.20]:25"
#   peer_wait_line mx 'S1 end'            # until its output has that line (at most 10 s)
#   file_has_not "$(peer_log mx)" "C: MAIL"
#   peer_stop mx                          # TERM, KILL after 5 s; its exit status in PEER_STATUS
#
# Output (both streams) goes to $(peer_log NAME). A program that ends, or says nothing, before its
# ready line is a failure that shows its output. Names are per bats file, so that setup_file can
# start what the tests use. Nothing has to be stopped: the box does that.

PEER_SECONDS=${PEER_SECONDS:-20} # how long a peer may take to say that it is ready

peer_dir() {
    mkdir -p "$BOX/peers"
    echo "$BOX/peers"
}

peer_log() {
    echo "$BOX/peers/$1.log"
}

peer_pid() {
    cat "$BOX/peers/$1.pid"
}

# peer_start NAME READY_REGEX COMMAND [ARG...]
peer_start() {
    local name=$1 ready=$2 dir
    shift 2
    dir=$(peer_dir)
    rm -f "$dir/$name.status"
    : > "$dir/$name.log"
    (
        set +eE
        trap - ERR EXIT
        close_descriptors
        "$@" >> "$dir/$name.log" 2>&1 < /dev/null &
        echo $! > "$dir/$name.pid"
        echo > "$dir/$name.started"
        wait $!
        echo $? > "$dir/$name.status"
    ) < /dev/null > /dev/null 2>&1 3>&- &
    echo $! > "$dir/$name.shell"
    if ! peer_wait_line "$name" "$ready" "$PEER_SECONDS"; then
        echo "peer $name is not ready: $*" >&2
        return 1
    fi
}

# Close all but 0-2: bats waits for everybody who holds its pipes, 3 and those it moved above 9.
close_descriptors() {
    local fd
    for fd in /proc/"$BASHPID"/fd/*; do
        fd=${fd##*/}
        if ((fd > 2 && fd != 255)); then eval "exec $fd>&-"; fi
    done
}

# peer_wait_line NAME REGEX [SECONDS]: until a line of its output matches.
peer_wait_line() {
    local dir
    dir=$(peer_dir)
    if ! wait_for_line "$dir/$1.log" "$2" "${3:-10}" "$(cat "$dir/$1.shell")"; then
        echo "peer $1 never said: $2" >&2
        sed 's/^/  | /' "$dir/$1.log" >&2
        return 1
    fi
}

# wait_for_line FILE REGEX [SECONDS [PID [COUNT]]]: until COUNT (1) lines match; FILE may still grow.
# Gives up early when process PID is gone.
wait_for_line() {
    local fd tail_pid line found=1 count=${5:-1} end=$((SECONDS + ${3:-10}))
    exec {fd}< <(exec tail ${4:+--pid="$4"} -s 0.1 -n +1 -F "$1" 2> /dev/null 3>&-)
    tail_pid=$!
    while ((SECONDS <= end)) && IFS= read -r -t $((end - SECONDS + 1)) -u "$fd" line; do
        if [[ $line =~ $2 ]] && ((--count == 0)); then
            found=0
            break
        fi
    done
    exec {fd}<&-
    kill "$tail_pid" 2> /dev/null || true
    return $found
}

# peer_field NAME REGEX N: word N of the first line of its output that matches.
peer_field() {
    grep -m1 -E -- "$2" "$BOX/peers/$1.log" | awk -v n="$3" '{ print $n }'
}

# peer_end NAME [SECONDS]: wait until it ends by itself; sets PEER_STATUS.
peer_end() {
    local dir
    dir=$(peer_dir)
    timeout "${2:-10}" tail --pid="$(cat "$dir/$1.shell")" -s 0.05 -f /dev/null || {
        echo "peer $1 does not end" >&2
        sed 's/^/  | /' "$dir/$1.log" >&2
        return 1
    }
    PEER_STATUS=$(cat "$dir/$1.status")
    export PEER_STATUS
}

# peer_stop NAME [SIGNAL]: end it by pid and wait for that; sets PEER_STATUS (143 after TERM).
peer_stop() {
    local pid
    pid=$(peer_pid "$1")
    kill -s "${2:-TERM}" "$pid" 2> /dev/null || true
    if ! peer_end "$1" 5 2> /dev/null; then
        echo "peer $1 ignored ${2:-TERM}" >&2
        kill -s KILL "$pid" || true
        return 1
    fi
}
