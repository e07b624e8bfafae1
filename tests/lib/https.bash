# shellcheck shell=bash
# Policy hosts of MTA-STS: a real nginx on port 443 of 192.0.2.80 and 2001:db8::80 in the box.
#
#   https_begin
#   https_site mta-sts.good.test good 'return 200 "version: STSv1\n..."'   # certificate $SITES/good
#   https_policy good.test enforce 604800 mx.good.test '*.box.test'        # the usual one
#   https_start
#   https_asked mta-sts.good.test        # how many requests it got, of this name (access log)
#
# https_site NAME CERTIFICATE DIRECTIVE...: one server block; CERTIFICATE is a file name without
# .chain and .key in $CERTS, or in $SITES (where https_cert makes them). Everything is answered by
# the directives, which are put into "location /".

SITES=${SITES:-$BOX/sites}
export SITES

https_begin() {
    mkdir -p "$SITES" "$BOX/nginx"
    : > "$BOX/nginx/sites.conf"
    cert_issue good dir="$SITES" san="DNS:mta-sts.box.test,DNS:*.good.test,$(
        printf 'DNS:%s,' "$@" | sed 's/,$//')"
}

https_site() {
    local name=$1 cert=$CERTS/$2
    if [ -e "$SITES/$2.chain" ]; then cert=$SITES/$2; fi
    shift 2
    {
        printf 'server {\n    listen 192.0.2.80:443 ssl;\n    listen [2001:db8::80]:443 ssl;\n'
        printf '    server_name %s;\n    ssl_certificate %s;\n    ssl_certificate_key %s;\n' \
            "$name" "$cert.chain" "$cert.key"
        printf '    location / {\n'
        printf '        %s;\n' "$@"
        printf '    }\n}\n'
    } >> "$BOX/nginx/sites.conf"
}

# https_text MODE MAX_AGE PATTERN...: a policy, as nginx takes it between double quotes
https_text() {
    local mode=$1 age=$2
    shift 2
    printf 'version: STSv1\\r\\nmode: %s\\r\\n' "$mode"
    if [ $# -gt 0 ]; then printf 'mx: %s\\r\\n' "$@"; fi
    printf 'max_age: %s\\r\\n' "$age"
}

# https_policy DOMAIN MODE MAX_AGE PATTERN...
https_policy() {
    local domain=$1
    shift
    https_site "mta-sts.$domain" good "return 200 \"$(https_text "$@")\""
}

https_start() {
    cat > "$BOX/nginx/nginx.conf" << CONF
daemon off;
worker_processes 1;
pid $BOX/nginx/pid;
error_log stderr notice;
user root;
events { worker_connections 256; }
http {
    log_format names '\$ssl_server_name \$request_method \$request_uri \$status "\$http_user_agent" \$http_host';
    access_log $BOX/nginx/access.log names;
    client_body_temp_path $BOX/nginx/body;
    proxy_temp_path $BOX/nginx/proxy;
    fastcgi_temp_path $BOX/nginx/fastcgi;
    uwsgi_temp_path $BOX/nginx/uwsgi;
    scgi_temp_path $BOX/nginx/scgi;
    default_type text/plain;
    server_names_hash_bucket_size 128;
    keepalive_timeout 5s;
    include $BOX/nginx/sites.conf;
}
CONF
    : > "$BOX/nginx/access.log"
    deb_command nginx nginx
    peer_start nginx 'start worker process ' "${DEB_COMMAND[@]}" -p "$BOX/nginx" -e stderr \
        -c "$BOX/nginx/nginx.conf"
}

https_asked() {
    grep -cE "^$1 " "$BOX/nginx/access.log" || true
}
