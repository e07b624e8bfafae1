#!/bin/bash
# tests/box tests/bench/submit_cpu.sh BUILD ROUNDS MESSAGES: so many messages given to Postfix's sendmail, which hands
# them to postdrop, and to that of system mode, by turns. Both wake a runner that does nothing: messages are queued, no more.
# Prints for each round the CPU seconds of a message of the two. Runs in tests/box.
set -eu
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
build=$1 rounds=$2 messages=$3
. "$ROOT/tests/lib/assert.bash"
. "$ROOT/tests/lib/peer.bash"
. "$ROOT/tests/lib/debs.bash"
. "$ROOT/tests/lib/postfix.bash"
MXTLS=$build/mxtls
. "$ROOT/tests/lib/system.bash"

system_install
touch "$S/last-run"
deb_command postfix sendmail
postfix=${DEB_COMMAND[-1]} libs=$(deb_libs postfix)
dir=$BOX/postfix
postfix_folders "$dir"
postfix_main "$dir" example.test "$libs" | grep -v '^maillog' > "$dir/main.cf"
mkfifo "$dir/queue/public/pickup" "$S/wake"
chown postfix:postdrop "$dir/queue/public/pickup" && chmod 622 "$dir/queue/public/pickup"
chown mxtls:mxtls "$S/wake" && chmod 620 "$S/wake"
{ printf 'From: a@example.test\nTo: b@example.test\nSubject: cron\n\n' && head -c 1000 /dev/zero | tr '\0' 'x' | fold -w 70; } > "$BOX/message"
MAIL_CONFIG=$dir LD_LIBRARY_PATH=$libs python3 - "$rounds" "$messages" "$postfix" "$USR/sbin/sendmail" << 'PYTHON'
import os, sys, subprocess
held = [os.open(p, os.O_RDWR | os.O_NONBLOCK) for p in ("/var/spool/mxtls/wake", "/run/box/postfix/queue/public/pickup")]
rounds, messages, programs = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
environments = [dict(os.environ), {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}]

def cpu(program, environment):
    before = os.times()
    for _ in range(messages):
        subprocess.run([program, "-i", "-f", "a@example.test", "b@example.test"],
                       stdin=open("/run/box/message"), env=environment, check=True)
    after = os.times()
    return (after[2] + after[3] - before[2] - before[3]) / messages

for program, environment in zip(programs, environments):
    cpu(program, environment)
for _ in range(rounds):
    print(*(f"{cpu(p, e):.6f}" for p, e in zip(programs, environments)), flush=True)
PYTHON
# all of them are there
count() {
    find "$1" -type f ! -name 'tmp.*' | wc -l
}
want=$(((rounds + 1) * messages))
[ "$(count "$INCOMING")" = "$want" ] && [ "$(count "$dir/queue/maildrop")" = "$want" ]
