#!/bin/bash
# tests/box tests/bench/queue_big.sh BUILD rcpts|text N: one message to N recipients of one domain, or one of N bytes,
# put into a queue and delivered to Postfix's smtp-sink. Prints the seconds of both, the peak of resident memory of both in
# KiB, and how many sessions and transactions the sink has seen. Runs in tests/box.
set -eu
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
build=$1 what=$2 n=$3
. "$ROOT/tests/lib/debs.bash"
disk=${QUEUE_DISK:-$ROOT/build/bench-queue.$$}
mkdir -p "$disk"
trap 'rm -rf "$disk"' EXIT

mkdir -p "$BOX/sink"
printf 'compatibility_level = 3.6\nalias_maps =\n' > "$BOX/sink/main.cf"
deb_command postfix smtp-sink
# the counters are lines that are written over
MAIL_CONFIG=$BOX/sink "${DEB_COMMAND[@]}" -u nobody -c 0.0.0.0:25 1000 > "$BOX/sink.log" 2>&1 &
until (exec 3<> /dev/tcp/127.0.1.1/25) 2> /dev/null; do sleep 0.05; done

# run COMMAND...: its seconds and its memory.
run() {
    local start=$EPOCHREALTIME
    "$build/tests/bench/peak" "$BOX/peak" "$@" >&2
    awk -v a="$start" -v b="$EPOCHREALTIME" -v m="$(cat "$BOX/peak")" 'BEGIN { printf "%.3f %d ", b - a, m }'
}

printf 'From: a@client.example\nSubject: big\n\n' > "$disk/message"
to=(-t)
if [ "$what" = rcpts ]; then
    {
        printf 'To: u0@[127.0.1.1]'
        for i in $(seq $((n - 1))); do printf ',\n u%d@[127.0.1.1]' "$i"; done
        echo
    } | cat - "$disk/message" > "$disk/long" && mv "$disk/long" "$disk/message"
    echo 'hello' >> "$disk/message"
else
    awk -v n="$n" 'BEGIN { for (i = 100; i + 72 < n; i += 72)
        print "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 01234" }' >> "$disk/message"
    to=('u@[127.0.1.1]')
fi
submit=(send --delivery queue --queue "$disk/queue" --quiet -f a@client.example)
run "$build/mxtls" "${submit[@]}" "${to[@]}" < "$disk/message"
run "$build/mxtls" queue run --queue "$disk/queue" --resolver 127.0.0.1:9
[ "$(find "$disk/queue/q" "$disk/queue/corrupt" -type f | wc -l)" = 0 ] || exit 1
sleep 1.5 # the counters are written each second
tr '\r' '\n' < "$BOX/sink.log" | sed -nE 's/.*sess=([0-9]+) quit=[0-9]+ mesg=([0-9]+).*/\1 \2/p' | tail -n 1
