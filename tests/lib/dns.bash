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
# dnssec_start (unbound and a signed zone) where that matters. resolv.conf of the box points here.
# postfix_zone (postfix.bash) prints the records of the Postfix variants, to be put into a zone.

dns_conf() {
    mkdir -p "$BOX/nsd"
    {
        cat << 'ZONE'
$ORIGIN .
$TTL 300
. SOA ns.box.test. hostmaster.box.test. 1 3600 600 86400 60
. NS ns.box.test.
ns.box.test. A 192.0.2.53
ZONE
        cat
    } > "$BOX/nsd/root.zone"
    cat > "$BOX/nsd/nsd.conf" <<CONF
server:
    ip-address: 127.0.0.1
    ip-address: 192.0.2.53
    ip-address: 2001:db8::53
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
zone:
    name: "."
    zonefile: "root.zone"
CONF
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
