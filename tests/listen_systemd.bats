# The units of mxtls listen with systemd's own tools: what can be proved of them without a systemd that is running.
load lib/rig
load lib/listen

setup_file() {
    certs_make
    make -s -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$BATS_FILE_TMPDIR/root" PREFIX=/usr > /dev/null
}

setup() {
    D=$BATS_TEST_TMPDIR
    UNITS=$BATS_FILE_TMPDIR/root/usr/lib/systemd/system
    # the program is not in this system's /usr
    mkdir "$D/units"
    for unit in mxtls-listen.socket mxtls-listen.service; do
        sed "s|=/usr/bin/mxtls|=$MXTLS|" "$UNITS/$unit" > "$D/units/$unit"
    done
}

teardown() {
    listen_stop_all
}

@test "systemd-analyze: the units have no mistake, and the service is exposed to next to nothing" {
    run -0 timeout 60 systemd-analyze verify --man=no "$D/units/mxtls-listen.socket" "$D/units/mxtls-listen.service"
    same "$output" ""
    # of 100: threshold 10 is 1.0, SAFE
    run -0 timeout 60 systemd-analyze security --no-pager --offline=yes --threshold=10 "$D/units/mxtls-listen.service"
    matches 'Overall exposure level for mxtls-listen.service: 0\.[0-9] SAFE'
}

@test "systemd-socket-activate: the service's command takes mail at passed sockets, and calls nothing that its unit forbids" {
    local command row at options count=0
    mkdir -m 700 "$D/state" "$D/credentials"
    cp "$CERTS/rsa.chain" "$D/credentials/chain.pem"
    cp "$CERTS/rsa.key" "$D/credentials/key.pem"
    printf 'Subject: by systemd\r\n\r\nx\r\n' > "$D/mail"
    command=$(sed -n -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}' -e 's/^ExecStart=//p' "$D/units/mxtls-listen.service")
    command=${command/--log-to syslog/} # to standard error, so that this test can read it
    # what a sanitizer calls is not ours
    if [[ $MXTLS != */san-* ]]; then command="strace -D -f -qq -s 0 -o '$D/trace' $command"; fi
    peer_start activated '^Listening on \[::1\]:2525' env CREDENTIALS_DIRECTORY="$D/credentials" STATE_DIRECTORY="$D/state" \
        MXTLS_LISTEN_OPTIONS="--accept ok.test" ASAN_OPTIONS="$(reports_to_stderr "${ASAN_OPTIONS:-}"):detect_leaks=0" \
        systemd-socket-activate -l 127.0.0.1:2525 -l '[::1]:2525' --fdname=tls=offered:tls=required -E CREDENTIALS_DIRECTORY \
        -E STATE_DIRECTORY -E MXTLS_LISTEN_OPTIONS -E ASAN_OPTIONS -E PATH \
        bash -c "exec $command"

    for row in "127.0.0.1" "127.0.0.1 -k --ssl-reqd" "[::1] -k --ssl-reqd"; do
        read -r at options <<< "$row"
        # shellcheck disable=SC2086 # words
        run -0 curl -sS --url "smtp://$at:2525/client.box.test" $options --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail"
        count=$((count + 1))
        new_mail "$D/state/mail" "$count"
    done
    # required is the second socket's
    run -55 curl -sS --url 'smtp://[::1]:2525/client.box.test' --mail-from a@sender.test --mail-rcpt u@ok.test -T "$D/mail"
    peer_stop activated
    same "$PEER_STATUS" 0
    if [[ $MXTLS == */san-* ]]; then return; fi
    run -0 python3 - "$D/trace" "$D/units/mxtls-listen.service" <<'PYTHON'
import re, subprocess, sys
sets = {}
for line in subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True).stdout.splitlines():
    if line.startswith("@"):
        name = line.strip()
        sets[name] = set()
    elif line.strip() and not line.strip().startswith("#"):
        sets[name].add(line.strip())
def calls(words):
    return set().union(*(calls(sets[w]) if w.startswith("@") else {w} for w in words))
allowed, settings = set(), {}
for line in open(sys.argv[2]):
    key, _, value = line.strip().partition("=")
    settings[key] = value
    if key == "SystemCallFilter":
        allowed = allowed - calls(value[1:].split()) if value[0] == "~" else allowed | calls(value.split())
assert settings["RestrictAddressFamilies"] == "AF_UNIX" and settings["MemoryDenyWriteExecute"] == settings["RestrictNamespaces"] == "yes"
made, refused = [], []
for line in open(sys.argv[1]):
    call = re.match(r"\d+ +(\w+)\((.*)", line)
    if call:
        made.append(call[1])
        if call[1] not in allowed or (call[1] == "socket" and not call[2].startswith("AF_UNIX")) or "CLONE_NEW" in line or \
                "PROT_WRITE|PROT_EXEC" in line:
            refused.append(line)
assert not refused, "".join(refused[:20])
assert {"accept4", "fsync", "landlock_restrict_self", "seccomp"} <= set(made), sorted(set(made))
PYTHON
}
