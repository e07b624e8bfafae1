# shellcheck shell=bash
# A real Postfix as receiver, one smtpd per TLS variant, each on an address and a name of its own.
#
#   setup_file() {
#       certs_make
#       dns_start < <(postfix_zone; echo 'example.test. MX 10 rsa.box.test.')
#       postfix_start                       # all variants, or: postfix_start rsa notls
#   }
#   @test ... {
#       run -0 "$MXTLS" send --ca-file "$CERTS/root.crt" bob@example.test < message
#       postfix_mail bob@example.test       # waits for it (10 s), sets MAIL to the file's path
#       file_has "$MAIL" "Subject: hello"
#   }
#
#   variant      name                   addresses                        certificate
#   rsa          rsa.box.test           192.0.2.11   2001:db8::11        RSA only
#   ecdsa        ecdsa.box.test         192.0.2.12   2001:db8::12        ECDSA only
#   both         both.box.test          192.0.2.13   2001:db8::13        RSA and ECDSA
#   notls        notls.box.test         192.0.2.14   2001:db8::14        no STARTTLS at all
#   expired      expired.box.test       192.0.2.15   2001:db8::15
#   wrongname    wrongname.box.test     192.0.2.16   2001:db8::16        for other.box.test
#   selfsigned   selfsigned.box.test    192.0.2.17   2001:db8::17
#   incomplete   incomplete.box.test    192.0.2.18   2001:db8::18        intermediate not sent
#   notyet       notyet.box.test        192.0.2.19   2001:db8::19
#   required     required.box.test      192.0.2.21   2001:db8::21        refuses MAIL without TLS
#   tls12        tls12.box.test         192.0.2.22   2001:db8::22        at most TLS 1.2
#
# Every variant takes mail for any user of example.test and box.test (and postfix_start
# domains=a.test,b.test) into the maildir $BOX/mail/DOMAIN/; RCPT TO users "nobody..." gets 550 5.1.1,
# "later..." 450 4.2.0. Log: $(peer_log postfix), with the TLS facts of each session.
#
#   POSTFIX_EXTRA                      further lines of main.cf, as a variable of postfix_start
#   postfix_mail RECIPIENT [COUNT]     wait until it got that many; MAIL is the file of the newest
#   postfix_received RECIPIENT         how many it has got so far
#   postfix_run posttls-finger -c ...  a program of the package: posttls-finger, smtp-source, ...

POSTFIX_VARIANTS="rsa=11 ecdsa=12 both=13 notls=14 expired=15 wrongname=16 selfsigned=17
    incomplete=18 notyet=19 required=21 tls12=22"

# postfix_zone: A and AAAA records of all variants, for dns_start.
postfix_zone() {
    local row
    for row in $POSTFIX_VARIANTS; do
        echo "${row%=*}.box.test. A 192.0.2.${row#*=}"
        echo "${row%=*}.box.test. AAAA 2001:db8::${row#*=}"
    done
}

postfix_run() {
    if ! [ -e "$BOX/postfix/main.cf" ]; then
        mkdir -p "$BOX/postfix"
        printf '%s\n' 'compatibility_level = 3.6' 'alias_maps =' > "$BOX/postfix/main.cf"
        touch -d '1 minute ago' "$BOX/postfix/main.cf"
    fi
    MAIL_CONFIG=$BOX/postfix deb_run postfix "$@"
}

# postfix_start [domains=D,D...] [VARIANT...]
postfix_start() {
    local dir=$BOX/postfix domains=example.test,box.test row libs
    local -a wanted=()
    for row in "$@"; do
        case $row in
        domains=*) domains=$domains,${row#domains=} ;;
        *)
            [[ " $POSTFIX_VARIANTS " =~ [[:space:]]$row= ]] || {
                echo "postfix_start: no variant $row" >&2
                return 1
            }
            wanted+=("$row")
            ;;
        esac
    done
    deb_command postfix master || return
    libs=$(deb_libs postfix)
    postfix_folders "$dir" || return
    postfix_tables "$dir" "$domains"
    postfix_main "$dir" "$domains" "$libs" > "$dir/main.cf"
    {
        postfix_services
        for row in $POSTFIX_VARIANTS; do
            if [ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" ${row%=*} "* ]]; then
                postfix_smtpd "192.0.2.${row#*=}:25" "${row%=*}"
                postfix_smtpd "[2001:db8::${row#*=}]:25" "${row%=*}"
            fi
        done
    } > "$dir/master.cf"
    # it waits until main.cf is two seconds old, in case somebody is still writing it
    touch -d '1 minute ago' "$dir/main.cf" "$dir/master.cf"
    # -s: in the foreground; it logs to what peer_start takes its output to
    peer_start postfix 'daemon started' "${DEB_COMMAND[@]}" -s -c "$dir"
}

postfix_folders() {
    local dir=$1 name
    mkdir -p "$dir/queue/pid" "$dir/data" "$BOX/mail"
    chown vmail: "$BOX/mail" || {
        echo "Postfix needs more than one user: run as root, or give yourself a range in" \
            "/etc/subuid and install uidmap" >&2
        return 1
    }
    for name in active bounce corrupt defer deferred flush hold incoming private saved trace; do
        mkdir -p "$dir/queue/$name"
        chmod 700 "$dir/queue/$name"
        chown postfix "$dir/queue/$name"
    done
    mkdir -p "$dir/queue/maildrop" "$dir/queue/public"
    chown postfix:postdrop "$dir/queue/maildrop" "$dir/queue/public"
    chmod 730 "$dir/queue/maildrop"
    chmod 710 "$dir/queue/public"
    chown postfix "$dir/data"
}

postfix_main() {
    cat <<CONF
compatibility_level = 3.6
queue_directory = $1/queue
data_directory = $1/data
daemon_directory = $DEBS/postfix/usr/lib/postfix/sbin
command_directory = $DEBS/postfix/usr/sbin
shlib_directory = $DEBS/postfix/usr/lib/postfix
import_environment = MAIL_CONFIG MAIL_LOGTAG POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH=$3
export_environment = MAIL_CONFIG LD_LIBRARY_PATH=$3
mail_owner = postfix
setgid_group = postdrop
maillog_file = $(peer_log postfix)
maillog_file_prefixes = $BOX
myhostname = client.box.test
mydestination =
inet_interfaces = all
default_database_type = texthash
alias_maps =
alias_database =
local_recipient_maps =
relay_domains =
virtual_mailbox_domains = ${2//,/, }
virtual_mailbox_base = $BOX/mail
virtual_mailbox_maps = texthash:$1/mailboxes
virtual_uid_maps = static:64030
virtual_gid_maps = static:64030
virtual_transport = virtual
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = reject_unauth_destination, check_recipient_access regexp:$1/access
# tests are not slowed down, and not limited
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
in_flow_delay = 0
default_process_limit = 50
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtpd_tls_session_cache_database =
smtp_tls_session_cache_database =
${POSTFIX_EXTRA:-}
CONF
}

# postfix_tables DIR DOMAINS
postfix_tables() {
    local domain
    for domain in ${2//,/ }; do
        echo "@$domain $domain/"
    done > "$1/mailboxes"
    cat > "$1/access" <<'MAP'
/^nobody/ 550 5.1.1 no such user here
/^later/ 450 4.2.0 try again later
MAP
}

postfix_services() {
    cat <<'CONF'
postlog   unix-dgram n - n - 1 postlogd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
CONF
}

# postfix_smtpd ADDRESS VARIANT: its line of master.cf
postfix_smtpd() {
    local chain=$CERTS/$2.pem
    echo "$1 inet n - n - - smtpd"
    echo "  -o myhostname=$2.box.test"
    case $2 in
    notls) echo "  -o smtpd_tls_security_level=none" ;;
    both) chain=$CERTS/both-rsa.pem,$CERTS/both-ecdsa.pem ;;
    required)
        chain=$CERTS/ecdsa.pem
        echo "  -o smtpd_tls_security_level=encrypt"
        ;;
    tls12)
        chain=$CERTS/ecdsa.pem
        echo "  -o smtpd_tls_protocols=TLSv1.2 -o smtpd_tls_mandatory_protocols=TLSv1.2"
        ;;
    esac
    if [ "$2" != notls ]; then echo "  -o smtpd_tls_chain_files=$chain"; fi
}

postfix_received() {
    grep -lFx "Delivered-To: $1" "$BOX/mail/${1#*@}/new"/* 2> /dev/null | wc -l
}

# Delivery is asynchronous; virtual(8) logs after the file is in the maildir.
postfix_mail() {
    wait_for_line "$(peer_log postfix)" "to=<$1>.*status=sent" 10 "" "${2:-1}" || {
        echo "no ${2:-1} messages for $1; Postfix says:" >&2
        tail -n 20 "$(peer_log postfix)" >&2
        return 1
    }
    # shellcheck disable=SC2012 # maildir names are plain
    MAIL=$(grep -lFx "Delivered-To: $1" "$BOX/mail/${1#*@}/new"/* | xargs ls -t | head -n 1)
    export MAIL
}
