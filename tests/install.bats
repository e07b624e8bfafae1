# make install and make uninstall, into an empty folder.
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
    run -0 "$to/opt/bin/mxtls" --version
    run -0 make -C "$ROOT" uninstall DESTDIR="$to" PREFIX=/opt
    same "$(cd "$to" && find . -type f)" ./opt/bin/other
}

@test "every object is up to date for install: it builds nothing" {
    run -0 make -C "$ROOT" install B="$(dirname "$MXTLS")" DESTDIR="$BATS_TEST_TMPDIR/to"
    has_not " CC "
    has_not " LD "
}
