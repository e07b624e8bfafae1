# The completions that are committed, loaded in the real shells. Run from the top folder; MXTLS is
# the program under test (default build/mxtls).

setup() {
    : "${MXTLS:=build/mxtls}"
}

# What bash offers for the words given, the last one being completed.
bash_offers() {
    bash --norc -c '
        source completions/mxtls.bash
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _mxtls
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

# The line that an interactive zsh has after TAB; a widget prints it, since zsh redraws as it likes.
zsh_completes() {
    timeout 60 zsh -f -s -- "$1" <<'EOF'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'show() { print -r -- "<""<$BUFFER>>" }; zle -N show; bindkey "^Xs" show'
zpty -w shell 'PS1=; fpath=($PWD/completions $fpath)'
zpty -w shell 'autoload -Uz compinit && compinit -u -D && print -r -- load""ed'
zpty -r shell out '*loaded*' || exit 1
zpty -w -n shell "$1"$'\t\C-xs'
zpty -r shell out '*<<*>>*' || exit 1
out=${out##*<<}
print -r -- "${out%%>>*}"
zpty -d shell
EOF
}

fish_offers() {
    # shellcheck disable=SC2016 # for fish to expand
    HOME=$BATS_TEST_TMPDIR XDG_CONFIG_HOME=$BATS_TEST_TMPDIR \
        fish --no-config -c 'source completions/mxtls.fish; complete -C "$argv[1]"' "$1" | cut -f 1
}

@test "the committed completions are those of the option tables" {
    for file in bash:mxtls.bash zsh:_mxtls fish:mxtls.fish; do
        "$MXTLS" completion "${file%%:*}" | diff "completions/${file#*:}" - || {
            echo "completions/${file#*:} is old: make completions"
            return 1
        }
    done
}

@test "bash completes commands, options, words and files" {
    [ "$(bash_offers mxtls l)" = listen ]
    [ "$(bash_offers mxtls probe --js)" = --json ]
    [ "$(bash_offers mxtls listen --tls r)" = required ]
    [ "$(bash_offers mxtls listen --tls = of | tr '\n' ' ')" = "off offered " ]
    [ "$(bash_offers mxtls send --policy compl)" = completions ]
    [ "$(bash_offers mxtls probe --ca-dir completions/)" = "" ]
    [ "$(bash_offers mxtls help pr)" = probe ]
    [ "$(bash_offers mxtls send --port '')" = "" ]
    run bash_offers mxtls ''
    [[ $output != *completion* ]]
}

@test "bash offers every long option that --help lists" {
    for command in probe send listen; do
        "$MXTLS" "$command" --help | sed -n 's/^  .\{4\}--\([a-z0-9-]*\).*/--\1/p' | sort -u >"$BATS_TEST_TMPDIR/help"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/help")" -gt 10 ]
        bash_offers mxtls "$command" -- | sort | diff "$BATS_TEST_TMPDIR/help" -
    done
}

@test "zsh completes commands, options and words" {
    command -v zsh
    [ "$(zsh_completes 'mxtls lis')" = 'mxtls listen ' ]
    [ "$(zsh_completes 'mxtls probe --list-f')" = 'mxtls probe --list-fields ' ]
    [ "$(zsh_completes 'mxtls listen --tls req')" = 'mxtls listen --tls required ' ]
    [ "$(zsh_completes 'mxtls help prob')" = 'mxtls help probe ' ]
}

@test "fish completes commands, options and words" {
    command -v fish
    [ "$(fish_offers 'mxtls lis')" = listen ]
    [ "$(fish_offers 'mxtls probe --js')" = --json ]
    [ "$(fish_offers 'mxtls listen --tls r')" = required ]
    [ "$(fish_offers 'mxtls help pr')" = probe ]
    run fish_offers 'mxtls send -'
    [[ $output == *--policy* && $output != *--tls* ]]
}
