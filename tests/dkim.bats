# DKIM signatures of what leaves (RFC 6376, RFC 8463), judged by a verifier that is not ours.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send

setup_file() {
    certs_make
    cd "$BATS_FILE_TMPDIR" || return
    openssl genrsa -out rsa.key 2048 2> /dev/null
    openssl genpkey -algorithm ed25519 -out ed.key
    openssl rsa -in rsa.key -pubout -outform DER 2> /dev/null | base64 -w0 > rsa.pub
    openssl pkey -in ed.key -pubout -outform DER | tail -c 32 | base64 -w0 > ed.pub
    chmod 600 ./*.key
    {
        example_zone
        # strings of at most 255 bytes
        echo "rsa._domainkey.box.test. TXT \"v=DKIM1; k=rsa; p=$(head -c 200 rsa.pub)\" \"$(tail -c +201 rsa.pub)\""
        echo "ed._domainkey.box.test. TXT \"v=DKIM1; k=ed25519; p=$(cat ed.pub)\""
    } | dns_start
    mx good 45 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve ehlo=SIZE 10000000;8BITMIME'
    cat > verify.py << 'PY'
import re
import sys
import dkim
data = open(sys.argv[1], "rb").read().replace(b"\r\n..", b"\r\n.")
keys = {b"rsa._domainkey.box.test.": "v=DKIM1; k=rsa; p=" + open("rsa.pub").read(),
        b"ed._domainkey.box.test.": "v=DKIM1; k=ed25519; p=" + open("ed.pub").read()}
def txt(name, timeout=5):
    return keys.get(name if isinstance(name, bytes) else name.encode(), "").encode()
n = len(re.findall(rb"^DKIM-Signature:", data, re.M))
verifier = dkim.DKIM(data)
def judge(i):
    try:
        return "ok" if verifier.verify(idx=i, dnsfunc=txt) else "BAD"
    except dkim.ValidationError:
        return "BAD"
print(n, *[judge(i) for i in range(n)])
PY
}

# verified: the number of signatures of the last message, and what the verifier says of each
verified() {
    cd "$BATS_FILE_TMPDIR" || return
    PYTHONPATH=$DEBS/python3-dkim/usr/lib/python3/dist-packages /usr/bin/python3 verify.py "S$(sessions good).1"
}

# perl_verified: the same by Mail::DKIM, which fetches the keys by DNS: "rsa-sha256 pass" and so on
perl_verified() {
    sed 's/^\.\././' "$BATS_FILE_TMPDIR/S$(sessions good).1" | PERL5LIB=$(perl_lib libmail-dkim-perl) perl -e '
        use Mail::DKIM::Verifier;
        my $v = Mail::DKIM::Verifier->new();
        $v->PRINT($_) while <STDIN>;
        $v->CLOSE;
        print join(" ", map { $_->algorithm . " " . $_->result } $v->signatures), "\n";' | xargs
}

KEYS() {
    DKIM=(--dkim "box.test rsa $BATS_FILE_TMPDIR/rsa.key" --dkim "box.test ed $BATS_FILE_TMPDIR/ed.key")
}

@test "RSA and Ed25519 signatures are valid: odd white space, folding, UTF-8, dots, empty lines, long lines" {
    local message
    KEYS
    mkdir -p "$BATS_TEST_TMPDIR/m"
    cd "$BATS_TEST_TMPDIR/m" || return
    printf 'From: Alice <alice@client.box.test>\nTo: bob@example.test\nSubject: plain\n\nhello\n' > plain
    printf 'From:  Alice\t<alice@client.box.test>  \nTo: bob@example.test,\n\tcarl@example.test\nSubject:   two   words \t x\nSubject: again\n\n a  b \t c  \n\n.\n..dot\n\t\n\n\n' > blanks
    printf 'From: J\303\266rg <alice@client.box.test>\nSubject: Gr\303\274\303\237e\n\nGr\303\274\303\237e\n' > utf8
    { printf 'From: alice@client.box.test\nSubject: long\n\n'; head -c 5000 /dev/zero | tr '\0' 'y'; printf '\nend\n'; } > long
    printf 'From: alice@client.box.test\n\n' > empty
    printf 'From: alice@client.box.test\nSubject: no end' > header
    for message in *; do
        MESSAGE=$message send 0 --no-queue -i -f alice@client.box.test "${DKIM[@]}" bob@example.test
        same "$message: $(verified)" "$message: 2 ok ok"
        [[ " $(perl_verified) " == *" rsa-sha256 pass "* ]] || assert_fail "$message, Mail::DKIM" "$(perl_verified)"
    done
}

@test "a message that was changed is not valid: the verifier can say no" {
    KEYS
    printf 'From: alice@client.box.test\nSubject: x\n\nhello\n' > "$BATS_TEST_TMPDIR/m"
    MESSAGE=$BATS_TEST_TMPDIR/m send 0 --no-queue -f alice@client.box.test "${DKIM[@]}" bob@example.test
    sed -i 's/hello/hallo/' "$BATS_FILE_TMPDIR/S$(sessions good).1"
    same "$(verified)" "2 BAD BAD"
    [[ " $(perl_verified) " == *" rsa-sha256 fail "* ]] || assert_fail "Mail::DKIM" "$(perl_verified)"
    sed -i 's/hallo/hello/' "$BATS_FILE_TMPDIR/S$(sessions good).1"
    same "$(verified)" "2 ok ok"
    # a second Subject, which a mail reader might show
    sed -i '1s/^/Subject: other\r\n/' "$BATS_FILE_TMPDIR/S$(sessions good).1"
    same "$(verified)" "2 BAD BAD"
}

@test "only mail whose From is at the domain is signed; SIZE counts the signature" {
    KEYS
    printf 'From: alice@other.test\nSubject: x\n\nhello\n' > "$BATS_TEST_TMPDIR/m"
    MESSAGE=$BATS_TEST_TMPDIR/m send 0 --no-queue -f alice@client.box.test "${DKIM[@]}" bob@example.test
    same "$(verified)" "0"
    printf 'From: alice@box.test\nSubject: x\n\nhello\n' > "$BATS_TEST_TMPDIR/m"
    MESSAGE=$BATS_TEST_TMPDIR/m send 0 --no-queue -f alice@client.box.test "${DKIM[@]}" bob@example.test
    same "$(verified)" "2 ok ok"
    same "$(sed -n "s/^S$(sessions good) C: MAIL .* SIZE=\([0-9]*\).*/\1/p" "$(peer_log good)")" "$(stat -c %s "$BATS_FILE_TMPDIR/S$(sessions good).1")"
}

@test "from the queue: the runner signs, with the keys of mxtls.conf" {
    export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    mkdir -p "$BATS_TEST_TMPDIR/mxtls"
    printf 'dkim = box.test rsa %s\n' "$BATS_FILE_TMPDIR/rsa.key" > "$BATS_TEST_TMPDIR/mxtls/mxtls.conf"
    printf 'From: alice@box.test\nSubject: x\n\n.hello\n\n\n' > "$BATS_TEST_TMPDIR/m"
    local before
    before=$(sessions good)
    "$MXTLS" send --delivery queue -f alice@client.box.test bob@example.test < "$BATS_TEST_TMPDIR/m"
    same "$(sessions good)" "$before"
    run -0 "$MXTLS" queue run
    same "$(sessions good)" "$((before + 1))"
    same "$(verified)" "1 ok"

    # a key that others can read: the runner says so and leaves the message where it is
    before=$(sessions good)
    cp rsa.key "$BATS_TEST_TMPDIR/open.key"
    "$MXTLS" send --delivery queue -f alice@client.box.test bob@example.test < "$BATS_TEST_TMPDIR/m"
    chmod 640 "$BATS_TEST_TMPDIR/open.key"
    chgrp 1234 "$BATS_TEST_TMPDIR/open.key"
    printf 'dkim = box.test rsa %s\n' "$BATS_TEST_TMPDIR/open.key" > "$BATS_TEST_TMPDIR/mxtls/mxtls.conf"
    run -78 --separate-stderr "$MXTLS" queue run
    [[ $stderr == *"open.key"* ]] || assert_fail "which key" "$stderr"
    same "$(sessions good) $("$MXTLS" queue list --json --config /dev/null | grep -c .)" "$before 1"
}

@test "keys that may not be used: told before anything is sent, and no message leaves unsigned (DECISIONS A8)" {
    local dir=$BATS_TEST_TMPDIR before spec want
    message_make
    before=$(sessions good)
    cp "$BATS_FILE_TMPDIR"/*.key "$dir"
    chmod 644 "$dir/rsa.key"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$dir/ec.key" 2> /dev/null
    echo nonsense > "$dir/bad.key"
    chmod 600 "$dir/ec.key" "$dir/bad.key"
    while IFS='|' read -r want spec expected; do
        mxtls_send "$want" --no-queue --dkim "$spec" bob@example.test
        [[ $stderr == "mxtls send: option --dkim: "*"$expected"* ]] || assert_fail "$spec" "$stderr"
    done << ROWS
64|box.test rsa|expected DOMAIN SELECTOR FILE
64|box.test ed $dir/ed.key|needs an RSA key
78|box.test rsa $dir/rsa.key|others may use it
78|box.test rsa $dir/none.key|No such file
78|box.test rsa $dir/ec.key|neither an RSA nor an Ed25519 key
78|box.test rsa $dir/bad.key|no private key
ROWS
    same "$(sessions good)" "$before"
}
