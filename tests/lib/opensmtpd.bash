# shellcheck shell=bash
# A real OpenSMTPD. The one of Debian 12 offers STARTTLS and then fails the handshake (it was made for
# LibreSSL, and its way to sign in another process does not fit OpenSSL 3): the real server that
# promises and fails. Takes mail to opensmtpd.test only, into its queue.
#
#   setup_file() { certs_make; dns_start < <(opensmtpd_zone); opensmtpd_start; }
#
#   name                    address       certificate
#   opensmtpd.box.test      192.0.2.45    $BOX/opensmtpd/opensmtpd (RSA)
#
# Log: $(peer_log opensmtpd).

opensmtpd_zone() {
    echo "opensmtpd.box.test. A 192.0.2.45"
}

opensmtpd_start() {
    local dir=$BOX/opensmtpd
    mkdir -p "$dir"
    cert_issue opensmtpd key=rsa dir="$dir" > "$dir/certs.log" 2>&1 || {
        cat "$dir/certs.log" >&2
        return 1
    }
    chmod 600 "$dir/opensmtpd.key" # or it is not read
    opensmtpd_folders
    cat > "$dir/conf" <<CONF
pki box cert "$dir/opensmtpd.chain"
pki box key "$dir/opensmtpd.key"
listen on 192.0.2.45 port 25 tls pki box hostname opensmtpd.box.test
action "keep" relay host smtp+notls://127.0.0.9:9
match from any for domain "opensmtpd.test" action "keep"
CONF
    deb_command opensmtpd smtpd || return
    peer_start opensmtpd 'will accept at most' "${DEB_COMMAND[@]}" -d -v -f "$dir/conf"
}

# Paths that are compiled in; the mounts are the box's.
opensmtpd_folders() {
    mount -t tmpfs -o mode=755,size=16m box /var/lib
    mount -t tmpfs -o mode=755,size=16m box /var/spool
    mkdir -p /var/lib/opensmtpd/empty
    mkdir -m 711 /var/spool/smtpd
}

# opensmtpd_sender CLEAR TLS: one that takes mail at 192.0.2.45 from everybody and hands it on: to clear@ok.test in
# clear to the one host (it waits five seconds before it goes to the same again), to all others over a TLS that
# verifies to the other. The roots of this box are ours from then on.
opensmtpd_sender() {
    local dir=$BOX/opensmtpd
    mkdir -p "$dir"
    opensmtpd_folders
    mount --bind "$CERTS/root.crt" /etc/ssl/certs/ca-certificates.crt
    cat > "$dir/sender.conf" <<CONF
listen on 192.0.2.45 port 25 hostname opensmtpd.box.test
action "clear" relay host smtp+notls://$1:25
action "tls" relay host smtp+tls://$2:25
match from any for rcpt-to "clear@ok.test" action "clear"
match from any for any action "tls"
CONF
    deb_command opensmtpd smtpd || return
    peer_start opensmtpd 'will accept at most' "${DEB_COMMAND[@]}" -d -v -f "$dir/sender.conf"
}
