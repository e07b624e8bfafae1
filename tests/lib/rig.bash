# shellcheck shell=bash
# Everything a behaviour test needs. A bats file starts like this:
#
#   load lib/rig
#
#   setup_file() {
#       certs_make
#       dns_start <<'ZONE'
#   example.test.       MX   10 rsa.box.test.
#   rsa.box.test.       A    192.0.2.11
#   ZONE
#       postfix_start rsa notls
#   }
#
#   @test "probe finds STARTTLS of a real Postfix (RFC 3207 s4)" {
#       run -0 "$MXTLS" probe --ca-file "$CERTS/root.crt" example.test
#       has "certificate ok"
#   }
#
# The file runs in tests/box: nothing it starts outlives it, so there is no teardown to write. Start
# servers once per file, in setup_file. Tag tests that need concurrency: "# bats test_tags=fibers".
# Run one file with `tests/box bats tests/NAME.bats`, all with `make bats`.

bats_require_minimum_version 1.5.0

RIG_LIB=$(dirname "${BASH_SOURCE[0]}")
export RIG_LIB
# shellcheck source=tests/lib/assert.bash
. "$RIG_LIB/assert.bash"
# shellcheck source=tests/lib/peer.bash
. "$RIG_LIB/peer.bash"
# shellcheck source=tests/lib/certs.bash
. "$RIG_LIB/certs.bash"
# shellcheck source=tests/lib/debs.bash
. "$RIG_LIB/debs.bash"
# shellcheck source=tests/lib/dns.bash
. "$RIG_LIB/dns.bash"
# shellcheck source=tests/lib/postfix.bash
. "$RIG_LIB/postfix.bash"

# the queue of those who name none
export XDG_STATE_HOME=${BATS_FILE_TMPDIR:-/nonexistent}/state

if [ -z "${BOX:-}" ]; then
    echo "run this file inside the box: tests/box bats FILE" >&2
    exit 70
fi
