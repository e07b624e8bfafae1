# shellcheck shell=bash
# Certificates: one root, one intermediate, and a leaf for every way a chain can be good or bad.
#
#   certs_make                       in setup_file; takes a second once a day, then nothing
#   "$MXTLS" probe --ca-file "$CERTS/root.crt" ...
#   openssl s_server -cert_chain ... "$CERTS/rsa.chain" -key "$CERTS/rsa.key"
#
# $CERTS/NAME.key   private key            $CERTS/NAME.crt    the certificate alone
# $CERTS/NAME.chain what a server sends (leaf first, no root)
# $CERTS/NAME.pem   key and chain in one file (Postfix smtpd_tls_chain_files, smtp_peer.py)
#
# NAME is one of (DNS name in the certificate, always one SAN and no CN):
#   rsa ecdsa            good, RSA 2048 or P-256        rsa.box.test, ecdsa.box.test
#   both-rsa both-ecdsa  one of each for one server     both.box.test
#   expired notyet       ended yesterday, starts in 30 days
#   wrongname            good chain, but for other.box.test
#   incomplete           chain file without the intermediate
#   selfsigned           signed by itself (expired-selfsigned: and ended yesterday)
#   soon                 good, ends in 2 days
#   wildcard             *.box.test
# root and intermediate exist as .key and .crt. "stranger" is a root that signed nothing here.
#
# Anything else, also inside a test:
#   cert_issue NAME [key=ecdsa|rsa] [san=DNS:a.test,IP:192.0.2.1] [cn=TEXT] [from=-90d] [to=+90d]
#       [issuer=intermediate|root|self] [chain=full|leaf] [dir=$BATS_TEST_TMPDIR]

CERTS=${CERTS:-$ROOT/build/certs}
export CERTS

certs_make() {
    mkdir -p "$CERTS"
    (
        flock 9
        if ! certs_fresh; then
            certs_make_all > "$CERTS/log" 2>&1 || {
                cat "$CERTS/log" >&2
                exit 1
            }
        fi
    ) 9> "$CERTS/lock"
}

certs_fresh() {
    [ -e "$CERTS/stamp" ] && [ "$CERTS/stamp" -nt "$RIG_LIB/certs.bash" ] &&
        [ -n "$(find "$CERTS/stamp" -mmin -720)" ]
}

certs_make_all() (
    set -e
    find "$CERTS" -mindepth 1 ! -name lock ! -name log -delete
    cert_issue root issuer=self ca=yes cn='box root' from=-365d to=+3650d
    cert_issue stranger issuer=self ca=yes cn='stranger root' from=-365d to=+3650d
    cert_issue intermediate issuer=root ca=yes cn='box intermediate' from=-180d to=+1825d
    cert_issue rsa key=rsa
    cert_issue ecdsa
    cert_issue both-rsa key=rsa san=DNS:both.box.test
    cert_issue both-ecdsa san=DNS:both.box.test
    cert_issue expired from=-91d to=-1d
    cert_issue notyet from=+30d to=+120d
    cert_issue wrongname san=DNS:other.box.test
    cert_issue incomplete chain=leaf
    cert_issue selfsigned issuer=self
    cert_issue expired-selfsigned issuer=self from=-91d to=-1d
    cert_issue soon to=+2d
    cert_issue wildcard 'san=DNS:*.box.test'
    touch "$CERTS/stamp"
)

cert_issue() {
    local name=$1 key=ecdsa san="DNS:$1.box.test" cn='' from=-90d to=+90d issuer=intermediate
    local chain=full dir=$CERTS ca=no word
    shift
    for word in "$@"; do
        case $word in
        key=* | san=* | cn=* | from=* | to=* | issuer=* | chain=* | ca=* | dir=*)
            local "${word%%=*}=${word#*=}"
            ;;
        *)
            echo "cert_issue: unknown: $word" >&2
            return 1
            ;;
        esac
    done
    cert_key "$key" > "$dir/$name.key" || return
    cert_sign "$dir/$name" "$issuer" "$ca" "$san" "$cn" "$from" "$to" || return
    cp "$dir/$name.crt" "$dir/$name.chain"
    if [ "$issuer" = intermediate ] && [ "$chain" = full ]; then
        cat "$CERTS/intermediate.crt" >> "$dir/$name.chain"
    fi
    cat "$dir/$name.key" "$dir/$name.chain" > "$dir/$name.pem"
    chmod 644 "$dir/$name".* # test keys; Postfix and others drop root before they read them
}

cert_key() {
    case $1 in
    rsa) openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 2> /dev/null ||
        openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 ;;
    ecdsa) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 ;;
    *) openssl genpkey -algorithm "$1" ;;
    esac
}

# cert_sign PATH ISSUER CA SAN CN FROM TO: `openssl ca`, since `openssl x509` before 3.4 cannot
# choose when a certificate starts.
cert_sign() {
    local path=$1 issuer=$2 ca=$3 san=$4 cn=$5 work
    work=$(mktemp -d "$path.XXXXXX")
    touch "$work/index"
    cat > "$work/conf" <<CONF
[ca]
default_ca = box
[box]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = optional
[req]
distinguished_name = dn
[dn]
[ext]
subjectKeyIdentifier = hash
$(if [ "$issuer" != self ]; then echo "authorityKeyIdentifier = keyid"; fi)
$(if [ "$ca" = yes ]; then
    printf '%s\n' "basicConstraints = critical,CA:TRUE" "keyUsage = critical,keyCertSign,cRLSign"
else
    printf '%s\n' "basicConstraints = critical,CA:FALSE" "keyUsage = critical,digitalSignature" \
        "extendedKeyUsage = serverAuth,clientAuth"
    # RFC 5280 s4.2.1.6: critical when the subject is empty
    printf 'subjectAltName = %s%s\n' "$(if [ -z "$cn" ]; then echo critical,; fi)" "$san"
fi)
CONF
    local signer=(-keyfile "$CERTS/$issuer.key" -cert "$CERTS/$issuer.crt")
    if [ "$issuer" = self ]; then signer=(-keyfile "$path.key" -selfsign); fi
    openssl req -new -config "$work/conf" -key "$path.key" -subj "/${cn:+CN=$cn}" -out "$work/csr" &&
        openssl ca -batch -notext -config "$work/conf" -extensions ext "${signer[@]}" \
            -startdate "$(cert_date "$6")" -enddate "$(cert_date "$7")" \
            -in "$work/csr" -out "$path.crt"
    local status=$?
    rm -rf "$work"
    return $status
}

cert_date() {
    date -u -d "${1%d} days" +%Y%m%d%H%M%SZ
}

# cert_fingerprint FILE: SHA-256 of the certificate, lower-case hex.
cert_fingerprint() {
    openssl x509 -in "$1" -outform DER | sha256sum | cut -d' ' -f1
}

# cert_tlsa FILE [USAGE SELECTOR TYPE]: record data, default "3 1 1 <hex>" (RFC 6698 s2.1).
cert_tlsa() {
    local usage=${2:-3} selector=${3:-1} type=${4:-1} digest=(sha256sum)
    if [ "$type" = 2 ]; then digest=(sha512sum); fi
    if [ "$selector" = 1 ]; then
        openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform DER
    else
        openssl x509 -in "$1" -outform DER
    fi | if [ "$type" = 0 ]; then od -An -v -tx1 | tr -d ' \n'; else "${digest[@]}" | cut -d' ' -f1; fi |
        sed "s/^/$usage $selector $type /"
}
