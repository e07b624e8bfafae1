# shellcheck shell=bash
# An authoritative name server (nsd) on real port 53 of the box.
#
#   dns_start <<'ZONE'                          # 127.0.0.1, 192.0.2.53 and 2001:db8::53
#   example.test.      MX     10 mx.example.test.
#   mx.example.test.   A      192.0.2.11
#   long.example.test. TXT    "..."
#   ZONE
#   dns_change <<'ZONE' ... ZONE                # other records, same server (it is started again)
#   dns_stop
#
# All records are of one zone, the root: names are absolute, any TLD works and every other name is
# NXDOMAIN. TTL 300, SOA and NS are added. It is authoritative, so it never sets AD; use
# dnssec_start where that matters. resolv.conf of the box points here.
# postfix_zone (postfix.bash) prints the records of the Postfix variants, to be put into a zone.
#
#   dnssec_start <<'ZONE'                       # instead of dns_start: the root is signed
#   example.test.     MX 10 mx.example.test.    # secure
#   mx.unsigned.test. A  192.0.2.11             # below unsigned.test.: insecure (a zone without DS)
#   mx.bogus.test.    A  192.0.2.11             # below bogus.test.: its signatures have expired
#   ZONE
#   # dead.test. has an address (192.0.2.11); what is below _tcp.dead.test. is SERVFAIL
#   DNSSEC_TAMPER="NAME..." dnssec_start ...    # TLSA records changed after signing: bogus
#   DNSSEC_EDE=no dnssec_start ...              # SERVFAIL without saying why (RFC 8914)
#
#   127.0.0.1    unbound, validates (resolv.conf)       192.0.2.54   the same, but not on this host
#   127.0.0.2    the name server itself: on this host, but does not validate
#   dnssec_stop

# zone_file NAME: the SOA and NS records of a zone, then what is on stdin.
zone_file() {
    cat << ZONE
\$ORIGIN .
\$TTL 300
$1 SOA ns.box.test. hostmaster.box.test. 1 3600 600 86400 60
$1 NS ns.box.test.
ZONE
    cat
}

dns_conf() {
    mkdir -p "$BOX/nsd"
    {
        echo 'ns.box.test. A 192.0.2.53'
        cat
    } | zone_file . > "$BOX/nsd/root.zone"
    nsd_conf 127.0.0.1 192.0.2.53 2001:db8::53
    nsd_zone . root.zone
}

# nsd_conf ADDRESS...: everything but the zones
nsd_conf() {
    local address
    cat > "$BOX/nsd/nsd.conf" <<CONF
server:
$(for address; do echo "    ip-address: $address"; done)
    username: ""
    chroot: ""
    server-count: 1
    zonesdir: "$BOX/nsd"
    database: ""
    zonelistfile: "$BOX/nsd/zone.list"
    xfrdfile: ""
    xfrdir: "$BOX/nsd"
    pidfile: "$BOX/nsd/nsd.pid"
    # its default of 200 answers a second would drop a survey's questions
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
CONF
}

# nsd_zone NAME FILE
nsd_zone() {
    printf 'zone:\n    name: "%s"\n    zonefile: "%s"\n' "$1" "$2" >> "$BOX/nsd/nsd.conf"
}

# dns_start < RECORDS
dns_start() {
    local checked
    dns_conf
    checked=$(deb_run nsd nsd-checkzone . "$BOX/nsd/root.zone" 2>&1) || {
        printf 'the zone is wrong:\n%s\n' "$checked" >&2
        return 1
    }
    deb_command nsd nsd
    peer_start nsd 'nsd started' "${DEB_COMMAND[@]}" -d -c "$BOX/nsd/nsd.conf"
}

dns_stop() {
    peer_stop nsd
}

# dns_change < RECORDS
dns_change() {
    dns_stop
    dns_start
}

# --- DNSSEC --------------------------------------------------------------------------------------

# zone_sign NAME FILE [DAYS]: FILE becomes FILE.signed; $BOX/nsd/FILE.ds is what its parent needs.
zone_sign() (
    set -e
    cd "$BOX/nsd"
    local key from to
    from=$(date -u -d "${3:-0} days 1 hour ago" +%Y%m%d%H%M%S)
    to=$(date -u -d "${3:-0} days 10 days" +%Y%m%d%H%M%S)
    key=$(ldns-keygen -a ECDSAP256SHA256 -k "$1")
    ldns-signzone -i "$from" -e "$to" -o "$1" "$2" "$key"
    cat "$key.ds" > "$2.ds"
    cat "$key.key" > "$2.key"
)

# Change the first digit of the TLSA data of a name, behind the back of its signature.
zone_tamper() {
    awk -v name="$1" '$1 == name && $4 == "TLSA" {
            digit = substr($8, 1, 1)
            $8 = (digit == "0" ? "1" : "0") substr($8, 2)
            changed = 1
        }
        { print }
        END { exit !changed }' "$2" > "$2.new" && mv "$2.new" "$2"
}

dnssec_zones() {
    local records
    records=$(cat)
    mkdir -p "$BOX/nsd"
    grep -E '^([^ ]+\.)?unsigned\.test\.' <<< "$records" |
        zone_file unsigned.test. > "$BOX/nsd/unsigned.zone"
    grep -E '^([^ ]+\.)?bogus\.test\.' <<< "$records" |
        zone_file bogus.test. > "$BOX/nsd/bogus.zone"
    zone_sign bogus.test. bogus.zone -30 || return
    {
        grep -vE '^([^ ]+\.)?(unsigned|bogus)\.test\.' <<< "$records"
        cat << 'ZONE'
ns.box.test. A 192.0.2.53
unsigned.test. NS ns.box.test.
bogus.test. NS ns.box.test.
dead.test. A 192.0.2.11
_tcp.dead.test. NS ns.box.test.
ZONE
        cat "$BOX/nsd/bogus.zone.ds"
    } | zone_file . > "$BOX/nsd/root.zone"
    zone_sign . root.zone
}

unbound_conf() {
    cat <<CONF
server:
    interface: 127.0.0.1
    interface: 192.0.2.54
    access-control: 0.0.0.0/0 allow
    do-ip6: no
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "$BOX/nsd"
    pidfile: ""
    use-syslog: no
    logfile: ""
    verbosity: 1
    do-not-query-localhost: no
    qname-minimisation: no
    trust-anchor-file: "$BOX/nsd/root.zone.key"
    local-zone: "test." nodefault
    local-zone: "2.0.192.in-addr.arpa." nodefault
    local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
    ede: ${DNSSEC_EDE:-yes}
    max-udp-size: 1232
remote-control:
    control-enable: no
stub-zone:
    name: "."
    stub-addr: 192.0.2.53
CONF
}

# dnssec_start < RECORDS
dnssec_start() {
    local name
    dnssec_zones > "$BOX/signing.log" 2>&1 || {
        cat "$BOX/signing.log" >&2
        return 1
    }
    for name in ${DNSSEC_TAMPER:-}; do
        zone_tamper "$name" "$BOX/nsd/root.zone.signed" || {
            echo "dnssec_start: no TLSA record of $name" >&2
            return 1
        }
    done
    nsd_conf 127.0.0.2 192.0.2.53
    nsd_zone . root.zone.signed
    nsd_zone unsigned.test. unsigned.zone
    nsd_zone bogus.test. bogus.zone.signed
    nsd_zone _tcp.dead.test. no.zone # it is not there
    deb_command nsd nsd
    peer_start nsd 'nsd started' "${DEB_COMMAND[@]}" -d -c "$BOX/nsd/nsd.conf"
    unbound_conf > "$BOX/nsd/unbound.conf"
    deb_command unbound unbound
    peer_start unbound 'start of service' "${DEB_COMMAND[@]}" -d -c "$BOX/nsd/unbound.conf"
}

dnssec_stop() {
    peer_stop unbound
    peer_stop nsd
}
