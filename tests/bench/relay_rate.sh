#!/bin/bash
# tests/box tests/bench/relay_rate.sh MXTLS mxtls|postfix MESSAGES intake|relay: 5 KB messages from Postfix's smtp-source,
# 16 sessions at once, into a queue on a disk (intake), or through it to Postfix's smtp-sink (relay). Prints the
# seconds until the last one was acknowledged, or had arrived. Runs in tests/box.
set -eu
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
mxtls=$1 who=$2 messages=$3 what=$4
. "$ROOT/tests/lib/assert.bash"
. "$ROOT/tests/lib/peer.bash"
. "$ROOT/tests/lib/debs.bash"
. "$ROOT/tests/lib/postfix.bash"
dir=$BOX/postfix
# on a disk: both sync
disk=${QUEUE_DISK:-$ROOT/build/bench-relay.$$}
mkdir -p "$disk"
chmod 755 "$disk"
trap 'rm -rf "$disk"' EXIT
export CERTS=$BOX # not looked at

start_sink() {
    mkdir -p "$BOX/sink"
    printf 'compatibility_level = 3.6\nalias_maps =\n' > "$BOX/sink/main.cf"
    deb_command postfix smtp-sink
    MAIL_CONFIG=$BOX/sink "${DEB_COMMAND[@]}" -u nobody 0.0.0.0:25 1000 > "$BOX/sink.log" 2>&1 &
    until (exec 3<> /dev/tcp/127.0.1.1/25) 2> /dev/null; do sleep 0.05; done
}

start_mxtls() {
    printf 'default may\npolicy ip:127.0.0.0/8 may\n' > "$BOX/policy"
    peer_start relay '^listening' "$mxtls" listen --tls off --hostname relay.example --relay-from 127.0.0.1 --commit-helpers 4 \
        --deliver queue --queue "$disk/queue" --policy "$BOX/policy" 127.0.0.1:2525
    if [ "$what" = relay ]; then
        "$mxtls" queue run --loop 1m --queue "$disk/queue" --policy "$BOX/policy" --helo relay.example --resolver 127.0.0.1:9 \
            > "$BOX/runner.log" 2>&1 &
        runner=$!
    fi
}

start_postfix() {
    mkdir -p "$dir"
    deb_command postfix master
    local -a master=("${DEB_COMMAND[@]}")
    postfix_folders "$dir"
    mv "$dir/queue" "$disk/postfix"
    mkdir "$dir/queue"
    mount --bind "$disk/postfix" "$dir/queue"
    postfix_tables "$dir" example.test
    postfix_main "$dir" example.test "$(deb_libs postfix)" |
        sed 's/^inet_interfaces.*/inet_interfaces = 127.0.0.1/; /^smtpd_r/d; /^in_flow/d' > "$dir/main.cf"
    cat >> "$dir/main.cf" << 'CONF'
smtpd_relay_restrictions = permit_mynetworks, reject
mynetworks = 127.0.0.0/8
default_process_limit = 100
smtp_tls_security_level = none
CONF
    if [ "$what" = intake ]; then echo 'defer_transports = smtp' >> "$dir/main.cf"; fi
    {
        postfix_services
        echo "127.0.0.1:2525 inet n - n - 100 smtpd"
    } > "$dir/master.cf"
    touch -d '1 minute ago' "$dir/main.cf" "$dir/master.cf"
    peer_start postfix 'daemon started' "${master[@]}" -s -c "$dir"
}

waiting() {
    if [ "$who" = mxtls ]; then
        find "$disk/queue/q" -type f 2> /dev/null | wc -l
    else
        find "$disk/postfix/incoming" "$disk/postfix/active" "$disk/postfix/deferred" -type f 2> /dev/null | wc -l
    fi
}

"start_$who"
if [ "$what" = relay ]; then start_sink; fi
# what is made at the first message is not measured
postfix_run smtp-source -d -m 16 -s 16 -l 5120 -f a@client.example -t 'u@[127.0.1.1]' 127.0.0.1:2525
if [ "$what" = relay ]; then
    until [ "$(waiting)" = 0 ]; do sleep 0.05; done
else
    sleep 1
fi
sync
START=$EPOCHREALTIME
postfix_run smtp-source -d -m "$messages" -s 16 -l 5120 -f a@client.example -t 'u@[127.0.1.1]' 127.0.0.1:2525
if [ "$what" = relay ]; then until [ "$(waiting)" = 0 ]; do sleep 0.02; done; fi
awk -v a="$START" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'
if [ "$what" = intake ] && [ "$who" = mxtls ] && [ "$(waiting)" != $((messages + 16)) ]; then exit 1; fi
if [ -n "${runner:-}" ]; then
    kill "$runner"
    wait "$runner" || true
fi
