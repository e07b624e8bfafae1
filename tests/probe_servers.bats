# mxtls probe against Postfix (OpenSSL), Exim (GnuTLS) and OpenSMTPD in every TLS set-up, beside what
# posttls-finger, openssl s_client and gnutls-cli say of the same server: version, cipher, leaf,
# verification and DANE. All of them run once, in setup_file, and are read here.
# shellcheck disable=SC2153,SC2154 # ROOT is set by the box, status by run
load lib/rig
load lib/probe
load lib/exim
load lib/opensmtpd

# variant, what is wrong with its certificate, and its TLSA records: certificate, usage, selector, type
SERVERS=$'rsa good rsa 3 1 1
ecdsa good intermediate 2 1 1
both good both-rsa 3 1 1,both-ecdsa 3 1 1
tls12 name stranger 3 1 1
expired expired expired 3 1 1
selfsigned self-signed -
wrongname name intermediate 2 1 1
incomplete incomplete incomplete 1 1 1
exim-rsa good intermediate 2 0 1
exim-ecdsa good exim-ecdsa 3 1 2
exim-both good exim-both-ecdsa 3 1 1
exim-tls12 good -
exim-expired expired intermediate 2 1 1
exim-selfsigned self-signed exim-selfsigned 3 1 1
exim-wrongname name exim-wrongname 3 0 1
exim-incomplete incomplete intermediate 2 1 1'

setup_file() {
    certs_make
    mkdir -p "$BOX/exim"
    exim_certs "$BOX/exim" # for their TLSA records; exim_start finds them
    {
        postfix_zone
        exim_zone
        opensmtpd_zone
        tlsa_zone
        echo "opensmtpd.test. MX 10 opensmtpd.box.test."
    } > "$BATS_FILE_TMPDIR/zone"
    dnssec_start < "$BATS_FILE_TMPDIR/zone"
    postfix_start rsa ecdsa both tls12 expired selfsigned wrongname incomplete
    exim_start
    opensmtpd_start
    export SEEN=$BATS_FILE_TMPDIR/seen
    mkdir "$SEEN"
    look
}

variants() {
    cut -d' ' -f1 <<< "$SERVERS"
}

# records NAME: the data of its TLSA records, one a line
records() {
    local cert usage selector type file
    sed -n "s/^$1 [^ ]* //p" <<< "$SERVERS" | tr , '\n' | while read -r cert usage selector type; do
        if [ "$cert" = - ]; then continue; fi
        file=$CERTS/$cert.crt
        if [ ! -e "$file" ]; then file=$BOX/exim/$cert.crt; fi
        cert_tlsa "$file" "$usage" "$selector" "$type"
    done
}

tlsa_zone() {
    local name
    for name in $(variants); do
        records "$name" | sed "s/^/_25._tcp.$name.box.test. TLSA /"
    done
}

# --- what each program sees ----------------------------------------------------------------------

look() {
    local name
    local -a pids=()
    for name in $(variants); do
        echo "[$name.box.test]"
    done > "$SEEN/targets"
    "$MXTLS" probe --json -4 --ca-file "$CERTS/root.crt" --deadline 60s -f "$SEEN/targets" > "$SEEN/records"
    for name in $(variants) opensmtpd; do
        look_finger "$name" verify > "$SEEN/finger.$name" 2>&1
        look_finger "$name" dane > "$SEEN/finger-dane.$name" 2>&1
        look_openssl "$name" > "$SEEN/openssl.$name" 2>&1
        # Exim waits two seconds for its close_notify
        look_gnutls "$name" > "$SEEN/gnutls.$name" 2>&1 3>&- &
        pids+=($!)
    done
    openssl ciphers -stdname ALL:@SECLEVEL=0 > "$SEEN/ciphers"
    facts > "$SEEN/facts"
    wait "${pids[@]}" # no other: the servers are jobs, too
}

look_finger() {
    postfix_run posttls-finger -a ipv4 -c -t 10 -T 10 -l "$2" -d sha256 -F "$CERTS/root.crt" \
        "[$1.box.test]" || true
}

# look_openssl NAME [OPTION...]: all errors of the verification, not the last
look_openssl() {
    timeout 20 openssl s_client -starttls smtp -connect "$1.box.test:25" -4 -servername "$1.box.test" \
        -verify_hostname "$1.box.test" -CAfile "$CERTS/root.crt" -showcerts -name client.box.test \
        "${@:2}" < /dev/null || true
}

look_gnutls() {
    timeout 20 gnutls-cli --insecure --starttls-proto=smtp --x509cafile "$CERTS/root.crt" \
        --print-cert -p 25 "$1.box.test" < /dev/null || true
}

# facts: what this file compares, as "[NAME.box.test]", fact and value, from the records
facts() {
    jq -r '.domain as $domain | .certificates as $certs | .summary as $summary
        | .exchanges[0].hosts[0] as $host | $host.tls[0] as $tls | $tls.validation as $judged
        | { session: "\($host.status) \($host.starttls_state) \($host.quit) \($host.ehlo_tls | length > 0)",
            keys: [$host.tls[].key_status] | join(" "),
            version: $tls.version.name,
            cipher: $tls.cipher_suite.name,
            group: ($tls.group // "" | ascii_downcase),
            leaf: $tls.chain[0],
            leafs: [$host.tls[].chain[0] // empty] | join(" "),
            key_types: [$host.tls[].chain[0] // empty | "\(.)=\($certs[.].subject_key_info.key_algorithm.name)"]
                | join(" "),
            key: $certs[$tls.chain[0]].spki_subject_fingerprint,
            sent: $tls.chain | length,
            proved: ($judged.browser_trusted and $judged.matches_mx),
            # s_client counts the name among the errors, as 62
            errors: [($judged.errors[] | split(":")[1]), (if $judged.matches_mx then empty else "62" end)]
                | map(tonumber) | unique | join(" "),
            fault: $judged | "\(.browser_trusted) \(.matches_mx) \(.self_signed) \(.expired) \(.missing_intermediate)",
            dane: $tls.dane,
            danes: [$host.tls[].dane] | sort | join(" "),
            verdict: $summary.verdict }
        | to_entries[] | "\($domain)\t\(.key)\t\(.value)"' "$SEEN/records"
}

setup() {
    local domain fact value id theirs
    declare -gA FACT=() IANA=()
    while IFS=$'\t' read -r domain fact value; do
        domain=${domain#[}
        FACT[${domain%.box.test]} $fact]=$value
    done < "$SEEN/facts"
    while read -r id _ theirs _; do IANA[$theirs]=$id; done < "$SEEN/ciphers"
}

# is NAME FACT WANT
is() {
    [ "${FACT[$1 $2]}" = "$3" ] || assert_fail "$1 $2: wanted: $3" "${FACT[$1 $2]}"
}

# leaf FILE: the fingerprint of the first certificate in it
leaf() {
    openssl x509 -in "$1" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f
}

# --- the comparison ------------------------------------------------------------------------------

@test "each server is probed in full: TLS, both EHLO replies, QUIT; with both kinds of key where it has them" {
    local name
    for name in $(variants); do
        is "$name" session "success done true true"
        case $name in
        *both) is "$name" keys "present present" ;;
        *) is "$name" keys "present absent" ;;
        esac
        case $name in
        *tls12) is "$name" version TLSv1.2 ;;
        *) is "$name" version TLSv1.3 ;;
        esac
    done
}

@test "posttls-finger sees the same version, cipher, group, certificate, key and trust" {
    local name text prints
    for name in $(variants); do
        text=$(< "$SEEN/finger.$name")
        [[ $text =~ ([A-Z][a-z]+)\ TLS\ connection\ established\ to\ .*:\ (TLSv[0-9.]+)\ with\ cipher\ ([^ ]+) ]]
        is "$name" version "${BASH_REMATCH[2]}"
        is "$name" cipher "${IANA[${BASH_REMATCH[3]}]}"
        is "$name" proved "$([ "${BASH_REMATCH[1]}" = Verified ] && echo true || echo false)"
        if [[ $text =~ key-exchange\ ([^ ]+) ]]; then # it knows only that of TLS 1.3
            is "$name" group "${BASH_REMATCH[1],,}"
        fi
        prints=${text//:/}
        [[ ${prints,,} =~ \ fingerprint=([0-9a-f]+),\ pkey_fingerprint=([0-9a-f]+) ]]
        is "$name" leaf "${BASH_REMATCH[1]}"
        is "$name" key "${BASH_REMATCH[2]}"
    done
}

@test "openssl s_client sees the same version, cipher, chain, names and errors" {
    local name text
    for name in $(variants); do
        text=$(< "$SEEN/openssl.$name")
        [[ $text =~ New,\ (TLSv[0-9.]+),\ Cipher\ is\ ([A-Za-z0-9_-]+) ]]
        is "$name" version "${BASH_REMATCH[1]}"
        is "$name" cipher "${IANA[${BASH_REMATCH[2]}]}"
        is "$name" leaf "$(leaf "$SEEN/openssl.$name")"
        is "$name" sent "$(grep -c 'BEGIN CERT' <<< "$text")"
        is "$name" errors "$(sed -nE 's/^verify error:num=([0-9]+):.*/\1/p' <<< "$text" | sort -nu | xargs)"
    done
}

@test "gnutls-cli, which is no OpenSSL, sees the same version, cipher, certificate and trust" {
    local name text cipher status
    for name in $(variants); do
        text=$(< "$SEEN/gnutls.$name")
        [[ $text =~ Description:\ \(TLS([0-9.]+)-[^$'\n']*-\(([A-Z0-9-]+)\) ]]
        is "$name" version "TLSv${BASH_REMATCH[1]}"
        cipher=${BASH_REMATCH[2]//-/_} # AES_256_GCM
        [[ ${FACT[$name cipher]} == *_"$cipher"_* ]] || assert_fail "$name: $cipher" "${FACT[$name cipher]}"
        # which of two certificates a client gets is a matter of its taste
        [[ " ${FACT[$name leafs]} " == *" $(leaf "$SEEN/gnutls.$name") "* ]] ||
            assert_fail "$name: another certificate" "${FACT[$name leafs]}"
        status=$(sed -n 's/^- Status: The certificate is //p' <<< "$text")
        is "$name" proved "$([[ $status == trusted.* ]] && echo true || echo false)"
        case $(sed -n "s/^$name //p" <<< "$SERVERS") in
        expired*) [[ $status == *expired* ]] || assert_fail "$name" "$status" ;;
        name*) [[ $status == *"name in the certificate does not match"* ]] || assert_fail "$name" "$status" ;;
        esac
    done
}

@test "each fault has its own words, whichever server has it" {
    local name fault
    while read -r name fault _; do
        is "$name" fault "$(case $fault in
        good) echo "true true false false false" ;;
        expired) echo "false true false true false" ;;
        self-signed) echo "false true true false false" ;;
        name) echo "true false false false false" ;;
        incomplete) echo "false true false false true" ;;
        esac)"
    done <<< "$SERVERS"
}

@test "RSA and ECDSA of one server are those that s_client gets when it asks for one of them" {
    local name key print
    for name in both exim-both; do
        for key in rsa ecdsa; do
            print=$(look_openssl "$name" -sigalgs "$([ $key = rsa ] && echo rsa_pss_rsae_sha256 || echo ECDSA+SHA256)" 2> /dev/null |
                leaf /dev/stdin)
            [[ " ${FACT[$name key_types]} " == *" $print=$key "* ]] ||
                assert_fail "$name: wanted: $print=$key" "${FACT[$name key_types]}"
        done
    done
}

# --- DANE ------------------------------------------------------------------------------------------

# finger_dane NAME: at level "dane" it goes on without DANE where there are no usable records
finger_dane() {
    case $(< "$SEEN/finger-dane.$1") in
    *'Matched DANE '*) echo valid ;;
    *'unsupported TLSA certificate usage'*) echo unusable ;;
    *': server certificate verification failed'*) echo mismatch ;;
    *'TLS connection established'*) echo none ;;
    esac
}

@test "DANE: posttls-finger comes to the same result, of unbound and nsd, at each server" {
    local name
    for name in $(variants); do
        is "$name" dane "$(finger_dane "$name")"
    done
    # what Exim has for RSA matches no record, which a client that asks once may not see
    is exim-both danes "mismatch valid"
    is exim-both verdict broken-some
}

@test "DANE: openssl s_client, given the records, comes to the same result" {
    local name record
    local -a options
    for name in $(variants); do
        options=()
        while read -r record; do options+=(-dane_tlsa_rrdata "$record"); done < <(records "$name")
        # it would try usage 1, which SMTP leaves out
        if [ ${#options[@]} -eq 0 ] || [[ ${options[1]} == 1* ]]; then continue; fi
        look_openssl "$name" -dane_tlsa_domain "$name.box.test" -dane_ee_no_namechecks "${options[@]}" \
            > "$SEEN/openssl-dane.$name" 2>&1
        is "$name" dane "$(grep -q '^verify error' "$SEEN/openssl-dane.$name" && echo mismatch || echo valid)"
    done
}

# --- OpenSMTPD ---------------------------------------------------------------------------------------

@test "OpenSMTPD, which in Debian 12 offers STARTTLS and fails: said so, as the three others say it" {
    run "$MXTLS" probe --json --ca-file "$CERTS/root.crt" --retries 0 opensmtpd.test
    host
    h '.ehlo[]' | grep -qx STARTTLS
    if ! grep -q 'alert internal error' "$SEEN/openssl.opensmtpd"; then # a newer one
        same "$(h '.status, .starttls_state, .tls[0].chain[0]' | xargs)" "success done $(leaf "$SEEN/openssl.opensmtpd")"
        return
    fi
    same "$status $(q .summary.verdict)" "2 plaintext"
    same "$(h '.status, .starttls_state, .result_type, .tls[0].complete, .tls[0].alert' | xargs)" \
        "handshake-error failed validation-failure false received internal_error"
    [[ $(q '.summary.reasons[0]') == *"internal_error"* ]] || assert_fail reasons "$(q .summary.reasons)"
    file_has "$SEEN/finger.opensmtpd" "SSL_connect error"
    file_has "$SEEN/gnutls.opensmtpd" "Received alert [80]: Internal error"
}
