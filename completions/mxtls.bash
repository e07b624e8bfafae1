# Completion of mxtls for bash. Made by 'make completions' from the option tables.
_mxtls() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local words='' files=''
    # --name=value comes as three words
    if [[ $cur == = ]]; then
        cur=''
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    ((COMP_CWORD > 1)) || prev=''
    COMPREPLY=()
    case ${COMP_WORDS[1]}:$prev in
    *:) words="probe report send queue policy listen help --help --version" ;;
    help:help) words="probe report send queue policy listen " ;;
    probe:--mx) words="all first" ;;
    probe:--format) words="text json csv nagios prometheus" ;;
    probe:--require) words="dane mta-sts-enforce pkix encrypted" ;;
    probe:--key-types) words="rsa,ecdsa any" ;;
    probe:--file | probe:-f | probe:--output | probe:-o | probe:--ca-file | probe:--next-cert | probe:--check-cert | probe:--exclude | probe:--status-file) files=-f ;;
    probe:--pem | probe:--ca-dir) files=-d ;;
    probe:--port | probe:--at | probe:--enum | probe:--pace | probe:--rate | probe:--names-per-address | probe:--back-off | probe:--shard | probe:--workers | probe:--warn | probe:--crit | probe:--retries | probe:--sni | probe:--helo | probe:--source | probe:--timeout | probe:--deadline | probe:--concurrency | probe:--resolver) return ;;
    report:--format) words="text json tsv html markdown" ;;
    report:--survey) words="day file all" ;;
    report:--output | report:-o | report:--compare) files=-f ;;
    report:--title | report:--top) return ;;
    send:--delivery) words="auto now background queue" ;;
    send:--log-format) words="text json" ;;
    send:--aliases | send:--policy | send:--auth | send:--ca-file | send:--config | send:--log) files=-f ;;
    send:--ca-dir | send:--queue) files=-d ;;
    send:--from | send:-f | send:--full-name | send:-F | send:--maildomain | send:--masquerade | send:--max-size | send:--root-to | send:--default-recipient | send:--alias-user | send:--local | send:--local-domain | send:--via | send:--port | send:--dkim | send:--queue-max-messages | send:--queue-max-bytes | send:--queue-min-free | send:--helo | send:--timeout | send:--deadline | send:--resolver) return ;;
    queue:queue) words="list show run flush hold release remove check" ;;
    queue:--log-format) words="text json" ;;
    queue:--format) words="text json nagios prometheus" ;;
    queue:--policy | queue:--auth | queue:--ca-file | queue:--aliases | queue:--config | queue:--log) files=-f ;;
    queue:--queue | queue:--ca-dir) files=-d ;;
    queue:--from | queue:--to | queue:--loop | queue:--lifetime | queue:--delay-notice | queue:--via | queue:--port | queue:--dkim | queue:--alias-user | queue:--local | queue:--local-domain | queue:--helo | queue:--timeout | queue:--deadline | queue:--resolver | queue:--maildomain | queue:--warn | queue:--crit) return ;;
    policy:policy) words="check explain forget suggest tlsrpt" ;;
    policy:--log | policy:--policy | policy:--auth | policy:--ca-file | policy:--config) files=-f ;;
    policy:--queue | policy:--ca-dir) files=-d ;;
    policy:--address | policy:--dkim | policy:--min-seen | policy:--day | policy:--domain | policy:--organization | policy:--contact | policy:--maildomain | policy:--via | policy:--port | policy:--helo | policy:--timeout | policy:--deadline | policy:--resolver) return ;;
    listen:--tls) words="off offered required" ;;
    listen:--min-tls) words="TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3" ;;
    listen:--client-cert) words="off request required" ;;
    listen:--bare-lf) words="refuse normalize" ;;
    listen:--log) words="text json" ;;
    listen:--cert | listen:--key | listen:--client-ca | listen:--policy | listen:--stats | listen:--fault-ca) files=-f ;;
    listen:--queue) files=-d ;;
    listen:--tls-exempt | listen:--allow-from | listen:--accept | listen:--relay-from | listen:--deliver | listen:--queue-max-messages | listen:--queue-max-bytes | listen:--queue-min-free | listen:--command-timeout | listen:--clear-folder | listen:--hostname | listen:--max-size | listen:--max-recipients | listen:--max-connections | listen:--max-connections-per-address | listen:--max-connections-per-minute | listen:--timeout | listen:--lifetime | listen:--max-errors | listen:--max-messages | listen:--stop-after | listen:--handshake-timeout | listen:--drain | listen:--commit-helpers | listen:--workers | listen:--user | listen:--log-to | listen:--fault | listen:--fault-seed) return ;;
    completion:completion) words="bash zsh fish" ;;
    *)
        case ${COMP_WORDS[1]} in
        probe) words="--file -f --port --implicit-tls --mx -4 -6 --allow-private --format --json --csv --nagios --prometheus --output -o --pem --list-fields --verbose -v --ca-file --ca-dir --at --enum --check-injection --pace --print-tlsa --next-cert --check-cert --resume --dedupe-output --exclude --rate --names-per-address --back-off --shard --workers --status-file --require --warn --crit --key-types --retries --sni --helo --source --timeout --deadline --concurrency --resolver --trust-ad --no-dane --no-mta-sts --no-tlsrpt --caa --help" ;;
        report) words="--format --json --html --output -o --title --top --verbose -v --compare --survey --name-domains --anonymize --help" ;;
        send) words="--from-headers -t --ignore-dots -i --from -f --full-name -F --maildomain --masquerade --masquerade-always --max-size --root-to --default-recipient --aliases --alias-files --alias-programs --alias-user --local --local-domain --policy --via --auth --port --ca-file --ca-dir --dkim --delivery --queue --queue-max-messages --queue-max-bytes --queue-min-free --no-queue --helo --timeout --deadline --resolver --trust-ad --config --log --log-format --json --quiet --verbose -v --help" ;;
        queue) words="--queue --all --from --to --loop --lifetime --delay-notice --policy --via --auth --port --ca-file --ca-dir --dkim --aliases --alias-files --alias-programs --alias-user --local --local-domain --helo --timeout --deadline --resolver --trust-ad --config --maildomain --log --log-format --format --json --nagios --prometheus --warn --crit --verbose -v --help" ;;
        policy) words="--live --address --queue --dkim --connect --requiretls --tls-required-no --log --min-seen --none --day --domain --plain --organization --contact --maildomain --policy --via --auth --port --ca-file --ca-dir --config --helo --timeout --deadline --resolver --trust-ad --json --verbose -v --help" ;;
        listen) words="--tls --implicit-tls --tls-exempt --cert --key --self-signed --min-tls --client-cert --client-ca --allow-from --accept --relay-from --bare-lf --deliver --queue --queue-max-messages --queue-max-bytes --queue-min-free --policy --command-timeout --mark --clear-folder --hostname --max-size --max-recipients --stdio --max-connections --max-connections-per-address --max-connections-per-minute --timeout --lifetime --max-errors --max-messages --stop-after --handshake-timeout --drain --commit-helpers --workers --user --self-check --log --log-to --stats --list-fields --verbose -v --fault --fault-seed --fault-ca --fault-anywhere --help" ;;
        completion) words="--help" ;;
        esac
        ;;
    esac
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen "$files" -- "$cur")
    elif [[ -n $words ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    fi
}
complete -F _mxtls mxtls
