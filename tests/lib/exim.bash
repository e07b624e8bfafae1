# shellcheck shell=bash
# A real Exim (GnuTLS) as a server that speaks TLS and takes no mail: one daemon, one address and name
# for each TLS variant.
#
#   setup_file() { certs_make; dns_start < <(exim_zone); exim_start; }
#   @test ... { run -0 "$MXTLS" probe --ca-file "$CERTS/root.crt" '[exim-rsa.box.test]'; }
#
#   variant      name                    address       certificates in $BOX/exim
#   exim-rsa     exim-rsa.box.test       192.0.2.41    exim-rsa
#   exim-ecdsa   exim-ecdsa.box.test     192.0.2.42    exim-ecdsa
#   exim-both    exim-both.box.test      192.0.2.43    exim-both-rsa, exim-both-ecdsa
#   exim-tls12   exim-tls12.box.test     192.0.2.44    exim-tls12 (RSA), at most TLS 1.2
#   exim-expired exim-selfsigned exim-wrongname exim-incomplete    192.0.2.46 to .49, as in certs.bash
#
# Log: $(peer_log exim).

EXIM_VARIANTS="exim-rsa=41 exim-ecdsa=42 exim-both=43 exim-tls12=44 exim-expired=46
    exim-selfsigned=47 exim-wrongname=48 exim-incomplete=49"

# exim_zone: A records of all variants, for dns_start.
exim_zone() {
    local row
    for row in $EXIM_VARIANTS; do
        echo "${row%=*}.box.test. A 192.0.2.${row#*=}"
    done
}

exim_start() {
    local dir=$BOX/exim
    mkdir -p "$dir/spool"
    exim_certs "$dir" > "$dir/certs.log" 2>&1 || {
        cat "$dir/certs.log" >&2
        return 1
    }
    exim_conf "$dir" > "$dir/conf"
    touch "$dir/mainlog"
    chown -R Debian-exim: "$dir"
    chown root: "$dir/conf" # or it is not read
    deb_command exim4-daemon-light exim4 || return
    # it logs to files only
    # shellcheck disable=SC2016
    peer_start exim 'daemon started' bash -c '"${@:2}" & exec tail -s 0.1 -n +1 -F "$1"' bash \
        "$dir/mainlog" "${DEB_COMMAND[@]}" -C "$dir/conf" -bdf
}

# exim_certs DIR: once, before exim_start where a zone needs them
exim_certs() {
    if [ -e "$1/exim-incomplete.pem" ]; then return; fi
    cert_issue exim-rsa key=rsa dir="$1" && cert_issue exim-ecdsa dir="$1" &&
        cert_issue exim-tls12 key=rsa dir="$1" &&
        cert_issue exim-both-rsa key=rsa san=DNS:exim-both.box.test dir="$1" &&
        cert_issue exim-both-ecdsa san=DNS:exim-both.box.test dir="$1" &&
        cert_issue exim-expired from=-91d to=-1d dir="$1" &&
        cert_issue exim-selfsigned issuer=self dir="$1" &&
        cert_issue exim-wrongname san=DNS:other.box.test dir="$1" &&
        cert_issue exim-incomplete chain=leaf dir="$1"
}

exim_conf() {
    local row variant=client addresses=
    for row in $EXIM_VARIANTS; do
        addresses="$addresses${addresses:+ : }192.0.2.${row#*=}"
        variant="\${if eq{\$received_ip_address}{192.0.2.${row#*=}}{${row%=*}}{$variant}}"
    done
    cat <<CONF
# by the address that was connected to
VARIANT = $variant
primary_hostname = client.box.test
smtp_active_hostname = VARIANT.box.test
local_interfaces = $addresses
daemon_smtp_ports = 25
spool_directory = $1/spool
log_file_path = $1/%slog
pid_file_path = $1/pid
log_selector = +tls_cipher +smtp_connection
tls_advertise_hosts = *
tls_certificate = \${if eq{VARIANT}{exim-both}{$1/exim-both-rsa.pem:$1/exim-both-ecdsa.pem}{$1/VARIANT.pem}}
tls_require_ciphers = \${if eq{VARIANT}{exim-tls12}{NORMAL:-VERS-ALL:+VERS-TLS1.2}{NORMAL}}
tls_dhparam = none
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 100
CONF
}

# --- as a sender: no daemon; `exim_sender HOST` once, then each message is handed on before exim_send returns:
# to clear@... in clear, to all others over a TLS that names HOST and a root of ours. TLS needs certs_make.

exim_sender() {
    local dir=$BOX/exim-sender
    mkdir -p "$dir/spool"
    deb_command exim4-daemon-light exim4 || return
    # a setuid program finds no library of an unpacked package
    cp "${DEB_COMMAND[@]:(-1)}" "$dir/exim4"
    chmod 755 "$dir/exim4"
    cat > "$dir/conf" <<CONF
primary_hostname = client.box.test
spool_directory = $dir/spool
log_file_path = $dir/%slog
log_selector = +tls_cipher
local_interfaces = <; 127.0.0.1
exim_path = $dir/exim4
keep_environment = LD_LIBRARY_PATH
trusted_users = root
begin routers
clear:
  driver = manualroute
  local_parts = clear
  route_list = * $1 byname
  transport = clear
all:
  driver = manualroute
  route_list = * $1 byname
  transport = tls
begin transports
clear:
  driver = smtp
  hosts_avoid_tls = *
tls:
  driver = smtp
  hosts_require_tls = *
  tls_verify_hosts = *
  tls_verify_cert_hostnames = *
  tls_verify_certificates = $CERTS/root.crt
CONF
    touch "$dir/mainlog"
    chown -R Debian-exim: "$dir"
    chown root: "$dir/conf"
}

# exim_send SENDER RECIPIENT FILE
exim_send() {
    deb_command exim4-daemon-light exim4 || return
    "${DEB_COMMAND[@]:0:2}" "$BOX/exim-sender/exim4" -C "$BOX/exim-sender/conf" -odi -oi -f "$1" "$2" < "$3"
    cat "$BOX/exim-sender/mainlog"
}
