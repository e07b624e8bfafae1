#!/bin/bash
# tests/box tests/bench/relay_rate.sh MXTLS mxtls|postfix|opensmtpd MESSAGES intake|maildir|relay SESSIONS: 5 KB
# messages from Postfix's smtp-source, so many sessions at once, into a queue on a disk (intake), a maildir (mxtls
# only), or through the queue to Postfix's smtp-sink (relay, not OpenSMTPD). Prints the seconds until the last one was
# acknowledged, or had arrived. Runs in tests/box.
set -eu
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
mxtls=$1 who=$2 messages=$3 what=$4 sessions=$5
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
    local -a deliver=(queue --queue "$disk/queue" --policy "$BOX/policy")
    if [ "$what" = maildir ]; then
        deliver=("maildir:$disk/mail" --accept example.test)
        to=u@example.test
    fi
    peer_start relay '^listening' "$mxtls" listen --tls off --hostname relay.example --relay-from 127.0.0.1 \
        --max-connections-per-address "$sessions" --commit-helpers 16 --deliver "${deliver[@]}" 127.0.0.1:2525
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
    # what is held costs its queue manager nothing
    if [ "$what" = intake ]; then echo 'smtpd_data_restrictions = check_client_access static:HOLD' >> "$dir/main.cf"; fi
    {
        postfix_services
        echo "127.0.0.1:2525 inet n - n - 100 smtpd"
    } > "$dir/master.cf"
    touch -d '1 minute ago' "$dir/main.cf" "$dir/master.cf"
    peer_start postfix 'daemon started' "${master[@]}" -s -c "$dir"
}

start_opensmtpd() {
    # paths that are compiled in; the mounts are the box's
    mount -t tmpfs -o mode=755,size=16m box /var/lib
    mount -t tmpfs -o mode=755,size=16m box /var/spool
    mkdir -p /var/lib/opensmtpd/empty "$dir"
    mkdir -m 711 "$disk/smtpd" /var/spool/smtpd
    mount --bind "$disk/smtpd" /var/spool/smtpd
    cat > "$dir/conf" << 'CONF'
smtp limit max-mails 1000000
listen on 127.0.0.1 port 2525 hostname relay.example
action "out" relay host smtp://127.0.1.1
match from any for any action "out"
CONF
    deb_command opensmtpd smtpd
    peer_start opensmtpd 'will accept at most' "${DEB_COMMAND[@]}" -d -v -P mta -f "$dir/conf"
}

waiting() {
    local -a places=("$disk/queue/q") name=()
    case $who in
    mxtls) if [ "$what" = maildir ]; then places=("$disk/mail/new"); fi ;;
    postfix) places=("$disk"/postfix/{incoming,active,deferred,hold}) ;;
    opensmtpd) places=("$disk/smtpd/queue") name=(-name message) ;;
    esac
    find "${places[@]}" -type f "${name[@]}" 2> /dev/null | wc -l
}

to='u@[127.0.1.1]'
"start_$who"
if [ "$what" = relay ]; then start_sink; fi
# what is made at the first message is not measured
postfix_run smtp-source -d -m "$sessions" -s "$sessions" -l 5120 -f a@client.example -t "$to" 127.0.0.1:2525
if [ "$what" = relay ]; then
    until [ "$(waiting)" = 0 ]; do sleep 0.05; done
else
    sleep 1
fi
sync
START=$EPOCHREALTIME
postfix_run smtp-source -d -m "$messages" -s "$sessions" -l 5120 -f a@client.example -t "$to" 127.0.0.1:2525
if [ "$what" = relay ]; then until [ "$(waiting)" = 0 ]; do sleep 0.02; done; fi
awk -v a="$START" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'
if [ "$what" != relay ] && [ "$(waiting)" != $((messages + sessions)) ]; then exit 1; fi
if [ -n "${runner:-}" ]; then
    kill "$runner"
    wait "$runner" || true
fi
