# A sample of the torture (make torture): seeded, so that a failure can be repeated.
load lib/rig

torture() { # SCRIPT ARG...
    local script=$1
    shift
    [ -e "$(dirname "$MXTLS")/tests/torture/shim.so" ] || make -s -C "$ROOT" "B=$(dirname "$MXTLS")" "$(dirname "$MXTLS")/tests/torture/shim.so"
    run -0 timeout 250 python3 "$ROOT/tests/torture/$script" "$MXTLS" "$(dirname "$MXTLS")/tests/torture/shim.so" "$@"
    matches '^torture: [0-9]+ rounds, [1-9][0-9]* with a fault, 0 failures$'
}

# without the shim
plain() { # SCRIPT ARG...
    local script=$1
    shift
    run -0 timeout 250 python3 "$ROOT/tests/torture/$script" "$MXTLS" "$@"
    matches '^(cut|signals): [1-9][0-9]* (rounds|signals), [1-9][0-9]* acknowledged, 0 failures$'
}

setup() {
    # the shim comes before the sanitizers' own library
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0:detect_leaks=0
}

@test "kill -9 at a sample of the I/O calls: all of a message or nothing, at most the recipient in flight twice" {
    torture run.py --action kill --sample 120 --seed 7
}

@test "errors, short writes and a full disk at a sample of the I/O calls: what was promised is kept" {
    torture run.py --action eio --action enospc --action eintr --action emfile --action short --action full --sample 150 --seed 7
}

# bats test_tags=fibers
@test "listen: kill -9 at a sample of the I/O calls: what got 250 is there, whole, with every delivery" {
    torture listen.py --action kill --sample 80 --seed 7
}

# bats test_tags=fibers
@test "listen: errors, short writes and a full disk: 4xx and nothing left, or 250 and there" {
    torture listen.py --action eio --action enospc --action eintr --action emfile --action short --action full --sample 350 --seed 7
}

# bats test_tags=fibers
@test "listen: sessions cut at a sample of their bytes, in clear and over TLS, with each delivery: 250 and there, or nothing" {
    plain cut.py --sample 8 --seed 7 --how fin --how rst
}

# bats test_tags=fibers
@test "listen: reloads under load fail no session, random signals and kill -9 lose nothing, with workers and without" {
    plain signals.py --signals 20 --seed 7 --delivery maildir
}
