#!/bin/bash
# tests/box tests/bench/queue_cpu.sh MXTLS mxtls|postfix N: CPU seconds (user and system, all children) that it takes to put
# N messages into the queue of a user, or into Postfix's by its sendmail. Runs in tests/box.
set -eu
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
mxtls=$1 who=$2 n=$3
. "$ROOT/tests/lib/assert.bash"
. "$ROOT/tests/lib/peer.bash"
. "$ROOT/tests/lib/debs.bash"
. "$ROOT/tests/lib/postfix.bash"
dir=$BOX/postfix
{
    printf 'From: a@client.example\nTo: bob@d1.test\nSubject: a message\n\n'
    for _ in {1..100}; do echo 'hello world'; done
} > "$BOX/message"

if [ "$who" = mxtls ]; then
    command=("$mxtls" send --delivery queue --queue "$BOX/queue" --quiet)
else
    mkdir -p "$dir"
    postfix_folders "$dir"
    postfix_tables "$dir" example.test
    postfix_main "$dir" example.test "$(deb_libs postfix)" > "$dir/main.cf"
    postfix_services > "$dir/master.cf"
    touch -d '1 minute ago' "$dir/main.cf" "$dir/master.cf"
    export CERTS=$BOX MAIL_CONFIG=$dir
    deb_command postfix sendmail
    command=("${DEB_COMMAND[@]}")
fi
"${command[@]}" -f a@client.example bob@d1.test < "$BOX/message" 2> /dev/null
times > "$BOX/before" # not in a shell of its own: that has no children
for ((i = 0; i < n; i++)); do "${command[@]}" -f a@client.example bob@d1.test < "$BOX/message" 2> /dev/null; done
times > "$BOX/after"
cat "$BOX/before" "$BOX/after" | tr 'ms' '  ' | awk 'NR % 2 == 0 { t = $1 * 60 + $2 + $3 * 60 + $4 - t }
    END { printf "%.3f\n", t }'
if [ "$who" = mxtls ]; then folder=$BOX/queue/q; else folder=$dir/queue/maildrop; fi
[ "$(find "$folder" -type f | wc -l)" = $((n + 1)) ] || exit 1
