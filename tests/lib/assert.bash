# shellcheck shell=bash
# Assertions on the last `run`, each with a message that shows what was there.
#
#   has "250-STARTTLS"        $output contains this text
#   has_not "MAIL FROM"       $output does not
#   matches '^tls TLSv1\.[23]'  one line of $output matches this extended regular expression
#   same "got" "wanted"       two strings are equal
#   file_has FILE TEXT, file_has_not FILE TEXT
# A bare `[[ ... ]]` that fails before the last line of a test goes unnoticed on old bash; these do not.

assert_fail() {
    printf '%s\n' "$1" '--- it was:' "$2" '---' >&2
    return 1
}

has() {
    # shellcheck disable=SC2154 # output is set by run
    [[ $output == *"$1"* ]] || assert_fail "output lacks: $1" "$output"
}

has_not() {
    [[ $output != *"$1"* ]] || assert_fail "output must not have: $1" "$output"
}

matches() {
    grep -qE -- "$1" <<< "$output" || assert_fail "no line matches: $1" "$output"
}

same() {
    [ "$1" = "$2" ] || assert_fail "wanted: $2" "$1"
}

file_has() {
    grep -qF -- "$2" "$1" || assert_fail "$1 lacks: $2" "$(cat "$1")"
}

file_has_not() {
    if grep -qF -- "$2" "$1"; then
        assert_fail "$1 must not have: $2" "$(cat "$1")"
    fi
}
