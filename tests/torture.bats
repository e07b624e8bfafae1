# A sample of the torture (make torture): seeded, so that a failure can be repeated.
load lib/rig

torture() {
    [ -e "$(dirname "$MXTLS")/tests/torture/shim.so" ] || make -s -C "$ROOT" "B=$(dirname "$MXTLS")" "$(dirname "$MXTLS")/tests/torture/shim.so"
    run -0 timeout 250 python3 "$ROOT/tests/torture/run.py" "$MXTLS" "$(dirname "$MXTLS")/tests/torture/shim.so" "$@"
    matches '^torture: [0-9]+ rounds, [1-9][0-9]* with a fault, 0 failures$'
}

setup() {
    # the shim comes before the sanitizers' own library
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0:detect_leaks=0
}

@test "kill -9 at a sample of the I/O calls: all of a message or nothing, at most the recipient in flight twice" {
    torture --action kill --sample 120 --seed 7
}

@test "errors, short writes and a full disk at a sample of the I/O calls: what was promised is kept" {
    torture --action eio --action enospc --action eintr --action emfile --action short --action full --sample 150 --seed 7
}
