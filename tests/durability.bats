# Durable before "yes": the order of system calls, disks that fill up and break, and kills.
load lib/rig

setup() {
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # LeakSanitizer does not work under strace
    STORE=$(dirname "$MXTLS")/tests/programs/store
    D=$BATS_TEST_TMPDIR
    printf 'Subject: x\r\n\r\ntext\r\n' > "$D/mail"
}

# trace STORE-ARGUMENTS...: what happened to files, in order, one call a line, into $D/trace
trace() {
    strace -f -y -o "$D/trace" -e trace=sendfile,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,write \
        "$STORE" "$@" < "$D/mail"
}

# order PATTERN...: lines of $D/trace that match appear in this order, and the first of each kind
# after the last of the one before
order() {
    local pattern line at=0
    for pattern in "$@"; do
        line=$(grep -nE -- "$pattern" "$D/trace" | head -n 1 | cut -d: -f1)
        [ -n "$line" ] || assert_fail "never: $pattern" "$(cat "$D/trace")"
        [ "$line" -gt "$at" ] || assert_fail "too early: $pattern" "$(cat "$D/trace")"
        at=$(grep -nE -- "$pattern" "$D/trace" | tail -n 1 | cut -d: -f1)
    done
}

left() {
    find "$1" -type f | wc -l
}

# a file system that is too small, where the maildir or spool lives
small_disk() {
    mkdir -p "$D/small"
    mount -t tmpfs -o "$1" small "$D/small"
}

@test "a maildir delivery syncs the file, names it, syncs new/, and then says 250" {
    local helpers
    for helpers in 0 2; do
        mkdir "$D/$helpers"
        run -0 trace maildir "$D/$helpers/box" -h "$helpers"
        has "250 ok"
        order '(write|sendfile)\(.*box/tmp/' 'fsync\(.*(box|spool)/tmp/' 'renameat2\(.*/tmp>.*/new>.*= 0' 'fsync\(.*/new>' \
            'write\(.*250 ok'
        same "$(grep -cE 'fsync\(.*(box|spool)/tmp/' "$D/trace")" 1
    done
}

@test "a queue entry syncs the file, names it, syncs q/, and then says 250" {
    local helpers
    for helpers in 0 2; do
        mkdir "$D/$helpers"
        run -0 trace queue "$D/$helpers/spool" -h "$helpers"
        has "250 ok"
        order '(write|sendfile)\(.*spool/tmp/' 'fsync\(.*(box|spool)/tmp/' 'renameat2\(.*/tmp>.*/q>.*= 0' 'fsync\(.*/q>' \
            'write\(.*250 ok'
    done
}

@test "without RENAME_NOREPLACE a link takes the place of the rename" {
    run -0 strace -f -y -o "$D/trace" -e trace=sendfile,fsync,linkat,renameat2,unlinkat,write \
        -e inject=renameat2:error=EINVAL "$STORE" maildir "$D/box" -h 1 < "$D/mail"
    order 'fsync\(.*(box|spool)/tmp/' 'linkat\(.*/tmp>.*/new>.*= 0' 'unlinkat\(.*/tmp>.*= 0' 'fsync\(.*/new>' \
        'write\(.*250 ok'
    same "$(left "$D/box/new")" 1
    same "$(left "$D/box/tmp")" 0
}

@test "copies for several recipients are all synced before the first is named" {
    run -0 trace maildir "$D/box" -h 1 -r 20
    order 'fsync\(.*(box|spool)/tmp/' 'renameat2\(.*= 0' 'fsync\(.*/new>' 'write\(.*250 ok'
    same "$(grep -cE 'fsync\(.*(box|spool)/tmp/' "$D/trace")" 20
    same "$(grep -c 'fsync(.*/new>' "$D/trace")" 1
    # more than fit in one packet to a helper: named in two steps
    run -0 trace maildir "$D/box" -h 1 -r 100
    order 'fsync\(.*(box|spool)/tmp/' 'renameat2\(.*= 0' 'write\(.*250 ok'
    order 'fsync\(.*(box|spool)/tmp/' 'fsync\(.*/new>' 'write\(.*250 ok'
    same "$(tail -n +"$(grep -n renameat2 "$D/trace" | tail -n 1 | cut -d: -f1)" "$D/trace" | grep -c 'fsync(.*/new>')" 1
    same "$(left "$D/box/new")" 120
}

@test "a new maildir is synced itself before it is used" {
    run -0 trace maildir "$D/box"
    order "fsync\(.*<$D>" "fsync\(.*<$D/box>" 'write\(.*box/tmp/' 'write\(.*250 ok'
}

@test "each fsync that fails means 451, no second fsync, and nothing left" {
    local kind dir helpers n box
    for kind in maildir:new queue:q; do
        dir=${kind#*:}
        for helpers in 0 1; do
            mkdir "$D/$dir$helpers"
            box=$D/$dir$helpers/box
            run -0 "$STORE" "${kind%:*}" "$box" < "$D/mail"
            for n in 1 2; do # the file, the directory
                run -1 strace -f -y -o "$D/trace" -e trace=fsync,write -e "inject=fsync:error=EIO:when=$n" \
                    "$STORE" "${kind%:*}" "$box" -h "$helpers" < "$D/mail"
                matches '^451 .*fsync.*Input/output error'
                has_not "250 ok"
                same "$(left "$box/$dir")" 1
                same "$(left "$box/tmp")" 0
                same "$(grep -cE 'fsync\(.*(box|spool)/tmp/' "$D/trace")" 1
            done
        done
    done
}

@test "an error of any call that stores means 451 or 452 and nothing left" {
    local call error
    run -0 "$STORE" maildir "$D/box" < "$D/mail"
    for call in memfd_create write sendfile renameat2 utimensat; do
        for error in EIO ENOSPC EDQUOT EROFS; do
            run -1 strace -f -o "$D/trace" -e "trace=$call" -e "inject=$call:error=$error:when=1" \
                "$STORE" maildir "$D/box" -h 1 < "$D/mail"
            case $error in
            ENOSPC | EDQUOT) matches '^452 ' ;;
            *) matches '^451 ' ;;
            esac
            same "$(left "$D/box/new")" 1
            same "$(left "$D/box/tmp")" 0
        done
    done
}

@test "a full disk means 452, leaves nothing behind, and recovers" {
    local kind
    for kind in maildir:new queue:q; do
        small_disk size=64k,nr_inodes=20
        head -c 100000 /dev/zero | tr '\0' x > "$D/big"
        run -1 "$STORE" "${kind%:*}" "$D/small/box" -h 1 < "$D/big"
        matches '^452 .*No space left'
        same "$(left "$D/small")" 0
        run -0 "$STORE" "${kind%:*}" "$D/small/box" -h 1 < "$D/mail"
        same "$(left "$D/small/box/${kind#*:}")" 1
        # no inodes: all but the root and five directories at most are files
        run -1 "$STORE" "${kind%:*}" "$D/small/box" -h 1 -n 20 < "$D/mail"
        matches '^452 .*No space left'
        same "$(left "$D/small/box/tmp")" 0
        same "$(left "$D/small/box/${kind#*:}")" "$((1 + $(grep -c '^250' <<< "$output")))"
        # no blocks, with messages that are small enough to be made by a helper
        find "$D/small" -type f -delete
        head -c 10000 "$D/big" > "$D/medium"
        run -1 "$STORE" "${kind%:*}" "$D/small/box" -h 1 -n 10 < "$D/medium"
        matches '^452 .*No space left'
        same "$(left "$D/small/box/tmp")" 0
        same "$(left "$D/small/box/${kind#*:}")" "$(grep -c '^250' <<< "$output")"
        find "$D/small" -type f -delete
        run -0 "$STORE" "${kind%:*}" "$D/small/box" -h 1 < "$D/mail"
        umount "$D/small"
    done
}

@test "a file size limit means 452 and no signal kills" {
    head -c 100000 /dev/zero > "$D/big"
    run -1 bash -c "trap '' XFSZ; ulimit -f 10; exec '$STORE' maildir '$D/box' -h 1 < '$D/big'"
    matches '^452 .*File too large'
    same "$(left "$D/box")" 0
}

@test "killed at any storing call, what was acknowledged is there and nothing visible is in part" {
    local kind dir call n acked stored total=0 killed=0
    for kind in maildir:new queue:q; do
        dir=${kind#*:}
        "$STORE" "${kind%:*}" "$D/$dir" < "$D/mail"
        find "$D/$dir" -type f -delete
        for call in fsync renameat2 openat memfd_create write sendfile utimensat sendto sendmsg recvmsg close; do
            for n in 1 2 3 4 5 8; do
                strace -f -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$n" \
                    timeout -k 1 20 "$STORE" "${kind%:*}" "$D/$dir" -h 2 -n 2 < "$D/mail" > "$D/said" 2> /dev/null || true
                acked=$(grep -c '^250' "$D/said" || true)
                stored=$(left "$D/$dir/$dir")
                [ "$stored" -ge "$acked" ] || assert_fail "$call $n: $acked acknowledged" "$stored stored"
                for file in "$D/$dir/$dir"/*; do
                    [ -e "$file" ] || continue
                    [[ $(cat "$file") == *$'\nSubject: x\n\ntext'* ]] || assert_fail "$call $n" "$(cat "$file")"
                    if [ "$dir" = q ]; then tail -c 40 "$file" | grep -q '^mxtls-end 0'; fi
                done
                total=$((total + 1))
                [ "$acked" -eq 2 ] || killed=$((killed + 1))
                find "$D/$dir" -type f -delete
            done
        done
    done
    same "$total" 132
    [ "$killed" -ge 40 ] || assert_fail "too few kills hit" "$killed"
}
