# make install and make uninstall, into an empty folder; what the program is linked with.
# shellcheck disable=SC2154 # stderr is set by run
load lib/rig

@test "install puts program, manual and completions in place; uninstall takes exactly these away" {
    local to=$BATS_TEST_TMPDIR/to page
    mkdir -p "$to/opt/bin"
    touch "$to/opt/bin/other"
    run -0 make -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$to" PREFIX=/opt
    cmp "$MXTLS" "$to/opt/bin/mxtls"
    [ -x "$to/opt/bin/mxtls" ]
    for page in "$ROOT"/man/*.[1-8]; do
        cmp "$page" "$to/opt/share/man/man${page##*.}/${page##*/}"
    done
    [ -s "$to/opt/share/bash-completion/completions/mxtls" ]
    [ -s "$to/opt/share/zsh/site-functions/_mxtls" ]
    [ -s "$to/opt/share/fish/vendor_completions.d/mxtls.fish" ]
    file_has "$to/opt/lib/systemd/user/mxtls-queue.service" 'ExecStart=/opt/bin/mxtls queue run'
    [ -s "$to/opt/lib/systemd/user/mxtls-queue.timer" ]
    file_has "$to/opt/lib/systemd/system/mxtls-listen.service" 'ExecStart=/opt/bin/mxtls listen --cert'
    file_has "$to/opt/lib/systemd/system/mxtls-listen.socket" 'FileDescriptorName=tls=offered'
    file_has "$to/opt/share/mxtls/crontab" '*/5 * * * * /opt/bin/mxtls queue run'
    run -0 "$to/opt/bin/mxtls" --version
    run -0 make -C "$ROOT" uninstall DESTDIR="$to" PREFIX=/opt
    same "$(cd "$to" && find . -type f)" ./opt/bin/other
}

@test "SYSTEM=1 adds mxtls-submit, units and directories in DESTDIR; uninstall takes its own, and leaves the queue" {
    local to=$BATS_TEST_TMPDIR/to
    run -0 make -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$to" PREFIX=/opt SYSTEM=1 WITH_SENDMAIL=1
    same "$(stat -c '%a %G' "$to/opt/libexec/mxtls-submit")" "2755 mxtls"
    same "$(readlink "$to/usr/sbin/sendmail")" /opt/libexec/mxtls-submit
    same "$(stat -c '%a %U %G' "$to/var/spool/mxtls/incoming")" "1770 mxtls mxtls"
    file_has "$to/opt/lib/systemd/system/mxtls-queue.service" 'ExecStart=/opt/bin/mxtls queue run --loop'
    file_has "$to/opt/lib/systemd/system/mxtls-queue.service" 'ReadWritePaths=/var/spool/mxtls /var/lib/mxtls'
    file_has "$to/opt/lib/sysusers.d/mxtls.conf" 'u mxtls -'
    file_has "$to/opt/lib/tmpfiles.d/mxtls.conf" 'd /var/spool/mxtls/incoming 1770 mxtls mxtls'
    [ -s "$to/opt/share/man/man8/mxtls-submit.8" ]
    # from user mode and back: the names are ours either way
    run -0 make -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$to" PREFIX=/opt WITH_SENDMAIL=1
    same "$(readlink "$to/usr/sbin/sendmail")" /opt/bin/mxtls
    run -0 make -C "$ROOT" uninstall DESTDIR="$to" PREFIX=/opt
    same "$(cd "$to" && find . ! -type d)" ""
    [ -d "$to/var/spool/mxtls/incoming" ]
}

@test "SYSTEM=1 without the user mxtls says how to make it, and installs nothing" {
    grep -v '^mxtls:' /etc/group > /run/box/group-without
    mount --bind /run/box/group-without /etc/group
    run -2 make -C "$ROOT" install B="$(dirname "$MXTLS")" SYSTEM=1 PREFIX=/run/box/nowhere
    umount /etc/group
    has "useradd --system"
    [ ! -e /run/box/nowhere ]
}

@test "every object is up to date for install: it builds nothing" {
    run -0 make -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$BATS_TEST_TMPDIR/to"
    has_not " CC "
    has_not " LD "
}

@test "WITH_SENDMAIL=1 makes the links, refuses to overwrite a foreign sendmail, uninstall takes its own (DECISIONS E38)" {
    local to=$BATS_TEST_TMPDIR/to link
    run -0 make -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$to" PREFIX=/opt WITH_SENDMAIL=1
    for link in /usr/sbin/sendmail /usr/lib/sendmail /usr/bin/mailq /usr/bin/newaliases /usr/bin/runq; do
        same "$(readlink "$to$link")" /opt/bin/mxtls
    done
    # again, over its own
    run -0 make -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$to" PREFIX=/opt WITH_SENDMAIL=1
    rm "$to/usr/bin/mailq"
    echo other > "$to/usr/bin/mailq"
    run -2 make -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$to" PREFIX=/opt WITH_SENDMAIL=1
    has "/usr/bin/mailq is there and not ours"
    run -0 make -C "$ROOT" uninstall DESTDIR="$to" PREFIX=/opt
    same "$(cd "$to" && find . ! -type d)" ./usr/bin/mailq
    same "$(cat "$to/usr/bin/mailq")" other
}

@test "what few names need is not linked: libidn2 is opened for those that are not ASCII, libpsl by surveys" {
    local file
    run -0 readelf -d "$MXTLS"
    has libssl
    has_not libidn2
    has_not libpsl
    for file in /usr/lib/*/libidn2.so.0 /lib/*/libidn2.so.0; do
        if [ -e "$file" ]; then mount --bind /dev/null "$(readlink -f "$file")" || true; fi
    done
    run -64 --separate-stderr "$MXTLS" probe 'bücher.example'
    [[ $stderr == *"libidn2 not installed, and names that are not ASCII need it"* ]] || assert_fail stderr "$stderr"
    run -3 --separate-stderr "$MXTLS" probe --retries 0 '[192.0.2.30]:9'
    for file in /usr/lib/*/libidn2.so.0 /lib/*/libidn2.so.0; do
        umount "$(readlink -f "$file")" 2> /dev/null || true
    done
}
