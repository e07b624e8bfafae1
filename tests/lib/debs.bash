# shellcheck shell=bash
# Servers from Debian packages that are unpacked by `make deps`, never installed (no daemon starts
# on the machine, no other mail server is removed).
#
#   deb_run postfix posttls-finger -c -l verify example.test
#   deb_command nsd nsd && peer_start nsd 'nsd started' "${DEB_COMMAND[@]}" -d -c file
#
# An unpacked package is in build/debs/NAME; when it is not there, the program of the system is run.

DEBS=${MXTLS_DEBS:-$ROOT/build/debs}
export DEBS

# deb_command PACKAGE PROGRAM: sets the array DEB_COMMAND, the words that run it (one process).
deb_command() {
    local dir=$DEBS/$1/usr place
    for place in "$dir/sbin" "$dir/bin" "$dir/lib/$1/sbin"; do
        if [ -x "$place/$2" ]; then
            DEB_COMMAND=(env "LD_LIBRARY_PATH=$(deb_libs "$1")" "$place/$2")
            return
        fi
    done
    command -v "$2" > /dev/null || {
        echo "$2 (package $1) is missing; run: make deps" >&2
        return 127
    }
    DEB_COMMAND=("$2")
}

# deb_run PACKAGE PROGRAM [ARG...]: run it in the foreground.
deb_run() {
    deb_command "$1" "$2" || return
    shift 2
    "${DEB_COMMAND[@]}" "$@"
}

# deb_libs PACKAGE: the library folders of an unpacked package, colon separated.
deb_libs() (
    shopt -s nullglob
    IFS=:
    set -- "$DEBS/$1/usr/lib/$1" "$DEBS/$1"/usr/lib/*-linux-gnu*
    echo "$*"
)

# perl_lib PACKAGE: PERL5LIB for the modules of an unpacked package.
perl_lib() {
    echo "$DEBS/$1/usr/share/perl5:$(echo "$DEBS/$1"/usr/lib/*/perl5/5.*)"
}
