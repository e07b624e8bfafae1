# Logging in at a smarthost: what is shown to whom (DECISIONS A5), the mechanisms of RFC 4616, RFC 7628 and their
# like against a scripted server that checks them, and a real submission server (Exim).
load lib/rig
load lib/exim
load lib/send

setup_file() {
    certs_make
    message_make
    dns_start <<'ZONE'
example.test. MX 10 relay.box.test.
relay.box.test. A 192.0.2.31
smtp.box.test. A 192.0.2.32
submission.box.test. A 192.0.2.45
ZONE
    submission_start
}

# The password of all tests; the peer's options are divided by commas, so it has none.
PASSWORD='s=ecret'

# relay NAME MECHANISMS [EHLO-WORDS [OPTION...]]: asks for alice@box.test and $PASSWORD (or $TOKEN) at 192.0.2.32:587
# One at a time: the one before it is stopped.
relay() {
    local name=$1 mechanisms=$2 clear=${3:-STARTTLS}
    relay_stop
    echo "$name" > "$BATS_FILE_TMPDIR/relay"
    shift 2
    [ $# -eq 0 ] || shift
    peer_start "$name" '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.32:587 \
        --cert "$CERTS/${CERT:-wildcard}.pem" "$@" 'send 220 relay' \
        "serve ehlo=$clear,tls-ehlo=AUTH $mechanisms,auth=alice@box.test;${TOKEN:-$PASSWORD}"
}

relay_stop() {
    [ ! -e "$BATS_FILE_TMPDIR/relay" ] || peer_stop "$(cat "$BATS_FILE_TMPDIR/relay")"
    rm -f "$BATS_FILE_TMPDIR/relay"
}

# secret LINE...: the file of credentials
secret() {
    printf '%s\n' "$@" > "$BATS_TEST_TMPDIR/secret"
    chmod 600 "$BATS_TEST_TMPDIR/secret"
}

password() {
    secret 'user = alice@box.test' "password = $PASSWORD"
}

# by STATUS HOST [OPTION...]
by() {
    send "$1" --no-queue -f alice@box.test --via "$2" --auth "$BATS_TEST_TMPDIR/secret" "${@:3}" bob@example.test
}

# script NAME LINE...: an executable for password-command and token-command, its path on stdout
script() {
    local path=$BATS_TEST_TMPDIR/$1
    shift
    printf '%s\n' '#!/bin/sh' "$@" > "$path"
    chmod 755 "$path"
    echo "$path"
}

RELAY='[smtp.box.test]:587'

submission_start() {
    local dir=$BOX/submission
    mkdir -p "$dir/spool"
    cert_issue submission san=DNS:submission.box.test dir="$dir" > "$dir/certs.log" 2>&1
    cat > "$dir/conf" <<CONF
primary_hostname = submission.box.test
local_interfaces = 192.0.2.45
daemon_smtp_ports = 587 : 465
tls_on_connect_ports = 465
spool_directory = $dir/spool
log_file_path = $dir/%slog
pid_file_path = $dir/pid
tls_advertise_hosts = *
tls_certificate = $dir/submission.pem
tls_dhparam = none
auth_advertise_hosts = \${if eq{\$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = rcpt
queue_only = true
host_lookup =
rfc1413_query_timeout = 0s
begin acl
rcpt:
  accept authenticated = *
  deny message = log in first
begin routers
all:
  driver = redirect
  data = :blackhole:
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{\$auth2}{alice}}{eq{\$auth3}{open sesame}}}}
  server_set_id = \$auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if and{{eq{\$auth1}{alice}}{eq{\$auth2}{open sesame}}}}
  server_set_id = \$auth1
CONF
    touch "$dir/mainlog"
    chown -R Debian-exim: "$dir"
    chown root: "$dir/conf"
    deb_command exim4-daemon-light exim4 || return
    # shellcheck disable=SC2016
    peer_start submission 'daemon started' bash -c '"${@:2}" & exec tail -s 0.1 -n +1 -F "$1"' bash \
        "$dir/mainlog" "${DEB_COMMAND[@]}" -C "$dir/conf" -bdf
}

@test "PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER: the server finds user and secret (RFC 4954, RFC 7628)" {
    local mechanism
    for mechanism in PLAIN LOGIN XOAUTH2 OAUTHBEARER; do
        relay "relay-$mechanism" "NTLM $mechanism GSSAPI"
        case $mechanism in
        PLAIN | LOGIN) password ;;
        *) secret 'user = alice@box.test' "token-command = $(script token "echo '$PASSWORD'") with words" ;;
        esac
        by 0 "$RELAY"
        file_has "$(peer_log "relay-$mechanism")" "auth $mechanism right"
        # nothing that is secret was said before TLS
        same "$(wire "relay-$mechanism" 1 | cut -d' ' -f 1-5)" "EHLO STARTTLS tls EHLO AUTH"
    done
}

@test "a token that does not fit into a command line goes behind the first 334 (RFC 4954 s4)" {
    TOKEN=$(head -c 3000 /dev/zero | tr '\0' x)
    relay long "XOAUTH2"
    secret 'user = alice@box.test' "token-command = $(script token "head -c 3000 /dev/zero | tr '\\0' x; echo")"
    by 0 "$RELAY"
    file_has "$(peer_log long)" "auth XOAUTH2 right line=12"
}

@test "of several mechanisms the best for the secret is taken, or those that the file names" {
    relay several "LOGIN PLAIN XOAUTH2 OAUTHBEARER"
    password
    by 0 "$RELAY"
    file_has "$(peer_log several)" "S1 auth PLAIN right"
    secret 'user = alice@box.test' "password = $PASSWORD" 'mechanisms = login'
    by 0 "$RELAY"
    file_has "$(peer_log several)" "S2 auth LOGIN right"
    secret 'user = alice@box.test' "token-command = $(script token "echo '$PASSWORD'")"
    by 0 "$RELAY"
    file_has "$(peer_log several)" "S3 auth OAUTHBEARER right"
    secret 'user = alice@box.test' "token-command = $(script token "echo '$PASSWORD'")" 'mechanisms = xoauth2'
    by 0 "$RELAY"
    file_has "$(peer_log several)" "S4 auth XOAUTH2 right"
}

@test "a wrong secret: deferred, with the server's words, and no MAIL" {
    local mechanism
    for mechanism in PLAIN LOGIN XOAUTH2 OAUTHBEARER; do
        relay "wrong-$mechanism" "$mechanism"
        secret 'user = alice@box.test' 'password = wrong'
        [[ $mechanism != *O?UTH* ]] && [[ $mechanism != XO* ]] ||
            secret 'user = alice@box.test' "token-command = $(script token 'echo wrong')"
        by 75 "$RELAY"
        same "$(r .failure)" authentication-failed
        same "$(r .enhanced)" 4.7.8
        [[ $(r .reply) == "535 5.7.8 no" ]] || assert_fail "the server's words" "$output"
        file_has_not "$(peer_log "wrong-$mechanism")" "C: MAIL"
    done
}

@test "no server that has not proved who it is sees a secret: certificate, STARTTLS, AUTH in clear only" {
    password
    CERT=wrongname relay wrongname PLAIN
    by 75 "$RELAY"
    same "$(r .failure)" certificate-host-mismatch
    file_has_not "$(peer_log wrongname)" "C: AUTH"
    CERT=selfsigned relay selfsigned PLAIN
    by 75 "$RELAY"
    file_has_not "$(peer_log selfsigned)" "C: AUTH"
    relay clear PLAIN "AUTH PLAIN"
    by 75 "$RELAY"
    same "$(r .failure)" starttls-not-offered
    file_has_not "$(peer_log clear)" "C: AUTH"
    # what is offered in clear does not count inside TLS
    relay_stop
    peer_start before '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.32:587 --cert "$CERTS/wildcard.pem" \
        'send 220 relay' "serve ehlo=STARTTLS;AUTH PLAIN,tls-ehlo=SIZE 1000000,auth=alice@box.test;$PASSWORD"
    by 75 "$RELAY"
    same "$(r .failure)" authentication-failed
    file_has_not "$(peer_log before)" "C: AUTH"
    peer_stop before
}

@test "a policy with auth= below verify is refused; auth-insecure=yes is the escape, and is logged (DECISIONS A5)" {
    password
    local policy=$BATS_TEST_TMPDIR/policy
    echo 'default encrypt via=[smtp.box.test]:587 auth=secret' > "$policy"
    send 78 --no-queue -f alice@box.test --policy "$policy" bob@example.test
    [[ $stderr == *"$policy:1: auth= at level encrypt"* ]] || assert_fail "file and line" "$stderr"
    echo 'default none via=[smtp.box.test]:587 auth=secret auth-insecure=yes' > "$policy"
    relay open PLAIN "AUTH PLAIN"
    send 0 --no-queue -f alice@box.test --policy "$policy" bob@example.test
    [[ $stderr == *"$policy:1 (default): auth-insecure: the credentials of $BATS_TEST_TMPDIR/secret go to smtp.box.test in clear"* ]] ||
        assert_fail "a line in the log" "$stderr"
    echo 'default verify via=[smtp.box.test]:587 auth=secret' > "$policy"
    relay good PLAIN
    send 0 --no-queue -f alice@box.test --policy "$policy" bob@example.test
    same "$(r .protection)" pkix
}

@test "--via takes the route of a policy, but not its credentials" {
    password
    echo 'default verify via=[other.box.test]:587 auth=secret' > "$BATS_TEST_TMPDIR/policy"
    relay elsewhere PLAIN
    send 69 --no-queue -f alice@box.test --policy "$BATS_TEST_TMPDIR/policy" --via "$RELAY" bob@example.test
    file_has_not "$(peer_log elsewhere)" "C: AUTH"
}

@test "the transcript shows no secret" {
    relay trace "PLAIN LOGIN"
    password
    by 0 "$RELAY" -v
    [[ $stderr == *"C: AUTH PLAIN [hidden]"* ]] || assert_fail "AUTH" "$stderr"
    [[ $stderr != *"$PASSWORD"* && $stderr != *"$(printf '\0alice@box.test\0%s' "$PASSWORD" | base64)"* ]] ||
        assert_fail "the secret" "$stderr"
    secret 'user = alice@box.test' "password = $PASSWORD" 'mechanisms = login'
    by 0 "$RELAY" -v
    same "$(grep -c 'C: \[hidden\]' <<< "$stderr")" 2
    [[ $stderr != *"$(printf %s "$PASSWORD" | base64)"* ]] || assert_fail "the secret" "$stderr"
}

@test "a command for the secret: no shell, a PATH of its own, its failures told" {
    relay command PLAIN
    secret 'user = alice@box.test' "password-command = $(script good "[ \"\$PATH\" = /usr/local/bin:/usr/bin:/bin ] && [ -z \"\$LEAK\" ] && echo '$PASSWORD'")"
    LEAK=1 by 0 "$RELAY"
    local line expected
    while IFS='|' read -r line expected; do
        secret 'user = alice@box.test' "password-command = $line"
        by 75 "$RELAY"
        [[ $(r .error) == *"$expected"* ]] || assert_fail "$line" "$output"
        same "$(r .failure)" credentials
    done <<ROWS
/nonexistent/program|ended with status 127
$(script failing 'echo x; exit 3')|ended with status 3
$(script silent 'exit 0')|printed no secret
/bin/echo|printed no secret
ROWS
    file_has_not "$(peer_log command)" "S2 C: AUTH"
}

@test "a file that others may read, or that cannot be understood, is refused at the start (DECISIONS A8)" {
    password
    local mode
    for mode in 644 640 604 660; do
        chmod "$mode" "$BATS_TEST_TMPDIR/secret"
        by 78 "$RELAY"
        [[ $stderr == *"expected mode 600"* ]] || assert_fail "$mode" "$stderr"
    done
    chown 12345 "$BATS_TEST_TMPDIR/secret"
    chmod 600 "$BATS_TEST_TMPDIR/secret"
    by 78 "$RELAY"
    [[ $stderr == *"belongs to another user"* ]] || assert_fail "owner" "$stderr"
    rm -f "$BATS_TEST_TMPDIR/secret"
    by 78 "$RELAY"
    secret 'user = x' 'pasword = y'
    by 78 "$RELAY"
    [[ $stderr == *"secret:2: expected user, password"* ]] || assert_fail "line" "$stderr"
    secret 'user = x' 'token-command = oauth-token x'
    by 78 "$RELAY"
    [[ $stderr == *"secret:2: "*"absolute path"* ]] || assert_fail "line" "$stderr"
}

@test "a real submission server: ports 587 and 465, PLAIN and LOGIN" {
    secret 'user = alice' 'password = "open sesame"'
    by 0 '[submission.box.test]:587'
    by 0 '[submission.box.test]:465'
    secret 'user = alice' 'password = "open sesame"' 'mechanisms = login'
    by 0 '[submission.box.test]:465'
    secret 'user = alice' 'password = "open says me"'
    by 75 '[submission.box.test]:587'
    same "$(r .failure)" authentication-failed
    peer_wait_line submission 'A=login:alice'
    same "$(grep -c 'P=esmtpsa.*A=plain:alice' "$(peer_log submission)")" 2
}
