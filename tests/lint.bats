# tests/lint finds what it is there for: a small tree with one fault each.
load lib/rig

setup() {
    tree=$BATS_TEST_TMPDIR/tree
    mkdir -p "$tree"/{tests,cmd,man} "$tree"/lib/{base,io,tls,dns,net,smtp,policy,app}
    cp "$ROOT/tests/lint" "$tree/tests/"
    cp "$ROOT/.clang-format" "$tree/"
    cp "$ROOT/lib/base/banned.h" "$tree/lib/base/"
    git -C "$tree" init -q
}

# Write stdin to a file of the tree, then run these checks.
lint_with() {
    cat > "$tree/$1"
    shift
    run "$tree/tests/lint" "$@"
}

@test "a clean file passes" {
    lint_with lib/net/conn.c layers libraries banned words format <<< '#include "tls/tls.h"'
    same "$status" 0
    same "${lines[-1]}" "lint: ok"
}

@test "a lower folder may not include a higher one" {
    lint_with lib/io/wait.c layers <<< '#include "smtp/reply.h"'
    same "$status" 1
    has 'lib/io/wait.c:1: io may not include "smtp/reply.h"'
}

@test "folders of one row do not include each other" {
    lint_with lib/tls/cert.c layers <<< '#include "dns/dns.h"'
    has 'lib/tls/cert.c:1: tls may not include "dns/dns.h"'
    same "${lines[-1]}" "lint: 1 problems"
}

@test "a folder that is in no layer is a problem" {
    mkdir "$tree/lib/misc"
    lint_with lib/misc/a.c layers <<< '#include "base/buf.h"'
    has "lib/misc/a.c:1: folder misc is in no layer"
}

@test "only lib/tls includes OpenSSL, only lib/io libev" {
    lint_with lib/tls/cert.c libraries <<< '#include <openssl/x509.h>'
    same "$status" 0
    lint_with lib/smtp/client.c libraries <<< '#include <openssl/ssl.h>'
    has "lib/smtp/client.c:1:"
    has "only lib/tls may"
    lint_with lib/smtp/client.c libraries <<< '# include <ev.h>'
    has "only lib/io may"
}

@test "bans cannot be lifted, blocking resolver calls are found" {
    lint_with lib/smtp/client.c banned <<< '#undef strcpy'
    has "lib/smtp/client.c:1:"
    lint_with lib/dns/query.c banned <<< 'int n = res_nquery(s, name, 1, 1, answer, 512);'
    has "lib/dns/query.c:1:"
    lint_with lib/dns/query.c banned <<< 'typedef struct foo foo_t;'
    has "structs keep their name"
}

@test "a banned function does not compile" {
    local text='int f(char *a, const char *b);int f(char *a, const char *b){strcpy(a, b);return 0;}'
    run ! gcc -I"$ROOT/lib" -include base/banned.h -x c -c -o /dev/null - <<< "$text"
    has "sorry_strcpy_is_banned"
    text='int f(void);int f(void){return poll(0, 0, 5);}'
    run ! gcc -I"$ROOT/lib" -include base/banned.h -x c -c -o /dev/null - <<< "$text"
    has "sorry_poll_is_banned"
    run -0 gcc -DIO_MAY_BLOCK -I"$ROOT/lib" -include base/banned.h -x c -c -o /dev/null - <<< "$text"
}

@test "words, format, shell, man pages and cppcheck are looked at" {
    lint_with cmd/main.c words <<< "/* TO""DO later */"
    has "cmd/main.c:1:"
    lint_with cmd/main.c words format <<< 'int f ( void ) ;'
    has "cmd/main.c:1:"
    lint_with tests/run shell <<< $'#!/bin/sh\necho $1'
    has "SC2086"
    lint_with man/mxtls.1 man <<< $'.Dd today\n.Dt MXTLS 1\n.Os\n.Sh NAME\n.Xx'
    has "mxtls.1:5"
    lint_with cmd/main.c cppcheck <<< 'int f(void); int f(void) { int a[2]; return a[2]; }'
    has "cmd/main.c:1: error"
}

@test "a long function is a warning, not a problem" {
    {
        printf 'int\nlong_one(void)\n{\n'
        printf '\tf();\n%.0s' {1..70}
        printf '}\n'
    } > "$tree/cmd/main.c"
    run -0 "$tree/tests/lint" sizes
    has "long_one has 72 lines"
}
