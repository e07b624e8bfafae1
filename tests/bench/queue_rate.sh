#!/bin/bash
# tests/box tests/bench/queue_rate.sh MXTLS mxtls|postfix MESSAGES DESTINATIONS: put so many messages into a
# queue, then deliver them all to Postfix's smtp-sink on loopback; prints the seconds that took. Runs in tests/box.
set -eu
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
mxtls=$1 who=$2 messages=$3 destinations=$4
. "$ROOT/tests/lib/assert.bash"
. "$ROOT/tests/lib/peer.bash"
. "$ROOT/tests/lib/debs.bash"
. "$ROOT/tests/lib/postfix.bash"
dir=$BOX/postfix
# on a disk: both sync
disk=${QUEUE_DISK:-$ROOT/build/bench-queue.$$}
mkdir -p "$disk"
chmod 755 "$disk"
trap 'rm -rf "$disk"' EXIT

start_sink() {
    mkdir -p "$BOX/sink"
    printf 'compatibility_level = 3.6\nalias_maps =\n' > "$BOX/sink/main.cf"
    deb_command postfix smtp-sink
    MAIL_CONFIG=$BOX/sink "${DEB_COMMAND[@]}" -u nobody 0.0.0.0:25 1000 > "$BOX/sink.log" 2>&1 &
    until (exec 3<> /dev/tcp/127.0.1.1/25) 2> /dev/null; do sleep 0.05; done
}

seconds() { # since START
    awk -v a="$START" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'
}

if [ "$who" = mxtls ]; then
    NOW=$(date +%s) python3 "$ROOT/tests/bench/queue_fill.py" "$messages" "$disk/queue" "$destinations"
    start_sink
    sync
    START=$EPOCHREALTIME
    "$mxtls" queue run --queue "$disk/queue" --resolver 127.0.0.1:9 --log "$BOX/log" >&2
    seconds
    [ "$(find "$disk/queue/q" "$disk/queue/corrupt" -type f | wc -l)" = 0 ] || exit 1
    [ "$(grep -c ' status=delivered ' "$BOX/log")" = "$messages" ] || exit 1
    exit
fi

mkdir -p "$dir"
deb_command postfix master
master=("${DEB_COMMAND[@]}")
postfix_folders "$dir"
mv "$dir/queue" "$disk/postfix"
mkdir "$dir/queue"
mount --bind "$disk/postfix" "$dir/queue"
postfix_tables "$dir" example.test
postfix_main "$dir" example.test "$(deb_libs postfix)" | sed 's/^inet_interfaces.*/inet_interfaces = 127.0.0.1/; /^smtpd_r/d; /^in_flow/d' > "$dir/main.cf"
cat >> "$dir/main.cf" <<'CONF'
smtpd_relay_restrictions = permit_mynetworks, reject
mynetworks = 127.0.0.0/8
default_process_limit = 100
smtp_tls_security_level = none
CONF
{
    postfix_services
    # on hold, which costs it less than being deferred does
    echo "127.0.0.1:2525 inet n - n - 100 smtpd -o smtpd_client_restrictions=check_client_access,static:HOLD"
} > "$dir/master.cf"
touch -d '1 minute ago' "$dir/main.cf" "$dir/master.cf"
export CERTS=$BOX
peer_start postfix 'daemon started' "${master[@]}" -s -c "$dir"
start_sink
for i in $(seq "$destinations"); do
    postfix_run smtp-source -m $((messages / destinations)) -s 10 -l 1200 -f a@client.example -t "u@[127.0.1.$i]" 127.0.0.1:2525
done
waiting() { # QUEUE...
    (cd "$disk/postfix" && find "$@" -type f 2> /dev/null | wc -l)
}
[ "$(waiting hold)" = "$messages" ] || exit 1
postfix_run postsuper -c "$dir" -H ALL
[ "$(waiting deferred)" = "$messages" ] || exit 1
sync
START=$EPOCHREALTIME
MAIL_CONFIG=$dir deb_run postfix postqueue -c "$dir" -f
# no look at thousands of files more often than that: it takes part in what it measures
until [ "$(waiting incoming active deferred)" = 0 ]; do sleep 0.2; done
seconds
peer_stop postfix
