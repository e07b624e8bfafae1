# mxtls report: figures from the records of surveys, cross-checked with jq over the same file.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/probe
load lib/listen

setup_file() {
    export SURVEYS=$BATS_FILE_TMPDIR
    "$ROOT/tests/lib/survey_make.py" --records 1500 --providers 60 --own 80 > "$SURVEYS/a.ndjson"
    "$ROOT/tests/lib/survey_make.py" --records 1500 --providers 60 --own 80 --progress 0.7 \
        --day 2026-12-24 > "$SURVEYS/b.ndjson"
}

setup() {
    cd "$SURVEYS" || exit 1
}

teardown() {
    listen_stop_all
}

# report STATUS ARGUMENT...: mxtls report, which must say nothing on standard error
report() {
    local want=$1
    shift
    run "-$want" --separate-stderr "$MXTLS" report "$@"
    same "$stderr" ""
}

q() {
    jq -c "$1" <<< "$output"
}

# What jq makes of the records itself. Units: a domain, the first measured sighting of each MX host,
# likewise of each address; each with its complete handshakes and their leaf certificates.
JQ_UNITS='
def measured: (.starttls_state == "done" and any(.tls[]; .complete)) or .starttls_state == "not-offered";
def first_measured: (map(select(any(.hosts[]; measured)))[0]) // .[0];
def reachable: .status | IN("not-tried","connection-refused","connection-timeout","connection-unreachable",
    "blocklisted-target","dns-error","cancelled","unknown-error") | not;
. as $records
| [$records[] | select(.mx_status | IN("has_mx","implicit_mx","null_mx_with_other_mx","literal"))] as $mail
| [$mail[] | {name: .domain, certs: .certificates, hosts: [.exchanges[].hosts[]]}] as $domains
| ([$records[] | .certificates as $c | .exchanges[] | {name, certs: $c, hosts, tlsa}]
    | group_by(.name) | map(first_measured)) as $mx
| ([$records[] | .certificates as $c | .exchanges[].hosts[] | {name: "\(.ip) \(.port)", certs: $c, hosts: [.]}]
    | group_by(.name) | map(first_measured)) as $addresses
| def levels(f): {domains: ($domains | f), mx_hosts: ($mx | f), addresses: ($addresses | f)};
  def handshakes: [.hosts[].tls[] | select(.complete)];
  def tally(values): reduce (.[] | [values] | unique | .[]) as $v ({}; .[$v | tostring] += 1);
'

# The same from the report: {level: {value: count}}, without zeros.
table() {
    jq -S -c --arg t "$1" '.tables[$t].rows as $rows
        | reduce ("domains","mx_hosts","addresses") as $l ({};
            if $rows[0] | has($l) then .[$l] = ([$rows[] | select(.[$l] > 0) | {(.value): .[$l]}] | add // {}) else . end)' <<< "$output"
}

units() {
    jq -S -c -s "$JQ_UNITS $1" a.ndjson
}

@test "denominators: names, resolved, accept mail, reachable, measured, with TLS" {
    report 0 --json a.ndjson
    same "$(jq -S -c '.denominators | del(.domains.names, .domains.resolved, .domains.accept_mail, .mx_hosts.resolved)' <<< "$output")" \
        "$(units 'levels({names: length, reachable: map(select(any(.hosts[]; reachable))) | length,
            measured: map(select(any(.hosts[]; measured))) | length, with_tls: map(select(handshakes | length > 0)) | length})
            | del(.domains.names)')"
    same "$(jq -S -c '.denominators.domains | {names, resolved, accept_mail}' <<< "$output")" \
        "$(jq -S -c -s '{names: length, resolved: map(select(.mx_status | IN("nxdomain","dns_error","unknown") | not)) | length,
            accept_mail: map(select(.mx_status | IN("has_mx","implicit_mx"))) | length}' a.ndjson)"
    same "$(q .survey.records)" 1500
}

@test "verdict, MX lookup, MTA-STS, TLSRPT: the counts of jq over the same file" {
    report 0 --json a.ndjson
    for pair in 'verdict .summary.verdict' 'mx_status .mx_status'; do
        same "$(table "${pair%% *}")" "$(jq -S -c -s "{domains: (group_by(${pair#* }) | map({(.[0]${pair#* }): length}) | add)}" a.ndjson)"
    done
    same "$(table tlsrpt)" "$(jq -S -c -s '{domains: (map(select(.mx_status == "has_mx")) | group_by(.tlsrpt.status)
        | map({(.[0].tlsrpt.status): length}) | add)}' a.ndjson)"
    same "$(table mta_sts)" "$(jq -S -c -s '{domains: (map(select(.mx_status == "has_mx")
            | if .mta_sts.policy_status != "valid" then .mta_sts.policy_status
              elif (.mta_sts.unmatched_mx | length) > 0 then .mta_sts.mode + "-mx-mismatch" else .mta_sts.mode end)
        | group_by(.) | map({(.[0]): length}) | add)}' a.ndjson)"
}

@test "STARTTLS all, none, unknown by domain, MX host and address: the counts of jq" {
    report 0 --json a.ndjson
    same "$(table starttls)" "$(units 'levels(tally([.hosts[] | select(measured) | .starttls_state == "done"]
        | if length == 0 then "unknown" elif all then "all" elif any then "some" else "none" end))')"
}

@test "versions, ciphers, groups, keys, issuers, days left at every level: the counts of jq" {
    report 0 --json a.ndjson
    same "$(table version)" "$(units 'levels(tally(handshakes[].version.name))')"
    same "$(table cipher)" "$(units 'levels(tally(handshakes[].cipher_suite.name))')"
    same "$(table group)" "$(units 'levels(tally(handshakes[].group | values))')"
    same "$(table key)" "$(units 'levels(tally(.certs as $c | handshakes[] | $c[.chain[0]].subject_key_info.key_algorithm | "\(.name) \(.bits)"))')"
    same "$(table issuer)" "$(units 'levels(tally(.certs as $c | handshakes[] | $c[.chain[0]]
        | if .self_signed then "(self-signed)" else .issuer_dn | capture("O=(?<o>[^,]*)").o end))')"
    same "$(table days_left)" "$(units 'levels(tally(.certs as $c | handshakes[] | $c[.chain[0]].validity.days_left
        | if . == 0 then "0" elif . <= 3 then "1-3" elif . <= 7 then "4-7" elif . <= 14 then "8-14" elif . <= 30 then "15-30"
          elif . <= 60 then "31-60" elif . <= 90 then "61-90" elif . <= 180 then "91-180" elif . <= 365 then "181-365" else "366+" end))')"
    same "$(table result_type | jq -S -c .mx_hosts)" "$(units '$mx | tally(.hosts[].result_type | values)')"
    same "$(table status)" "$(units 'levels(tally(.hosts[].status))')"
}

@test "certificates: trusted and right at every handshake, expired and self-signed at one" {
    report 0 --json a.ndjson
    same "$(table identity)" "$(units 'levels(map(select(handshakes | length > 0)) | tally(handshakes
        | (if all(.[]; .validation.browser_trusted) then "trusted" else empty end),
          (if all(.[]; .validation.matches_mx) then "name-match" else empty end),
          (if all(.[]; .validation.browser_trusted and .validation.matches_mx) then "trusted-and-match" else empty end),
          (if any(.[]; .validation.expired) then "expired" else empty end),
          (if any(.[]; .validation.self_signed) then "self-signed" else empty end),
          (if any(.[]; .validation.missing_intermediate) then "missing-intermediate" else empty end)))')"
}

@test "DANE by state, TLSA records, IPv6: the counts of jq" {
    report 0 --json a.ndjson
    same "$(table dane | jq -S -c .mx_hosts)" "$(units '$mx | tally(
        if .tlsa.status != "usable" then .tlsa.status elif any(handshakes[]; .dane == "mismatch") then "mismatch" else "valid" end)')"
    same "$(table tlsa | jq -S -c .mx_hosts)" "$(units '$mx | tally(.tlsa.records[] | "\(.usage) \(.selector) \(.matching_type)")')"
    same "$(table ipv6 | jq -S -c .domains)" "$(units '$domains | tally([.hosts[] | select(.ip | contains(":"))]
        | (if length > 0 then "aaaa" else empty end), (if any(.[]; reachable) then "reachable" else empty end),
          (if any(.[]; .starttls_state == "done") then "starttls" else empty end))')"
}

@test "figures: count and 100 percent of each, as jq counts them" {
    report 0 --json a.ndjson
    same "$(q '.figures.post_quantum.domains | [.n, .of]')" \
        "$(units '$domains | [map(select(any(handshakes[]; .group == "X25519MLKEM768"))), map(select(handshakes | length > 0))] | map(length)')"
    same "$(q '.figures.trusted.mx_hosts | [.n, .of]')" \
        "$(units '$mx | [map(select((handshakes | length > 0) and all(.hosts[] | select(measured); .starttls_state == "done")
            and all(handshakes[]; .validation.browser_trusted and .validation.matches_mx))), map(select(any(.hosts[]; measured)))] | map(length)')"
    same "$(q '.figures.starttls.domains.percent == (.figures.starttls.domains | 10000 * .n / .of | round / 100)')" true
}

@test "providers are registrable domains of the primary MX hosts; the rest is summed up" {
    report 0 --json --top 5 a.ndjson
    same "$(q '.providers.rows | length')" 5
    same "$(q '.providers.rows | map([.name, .domains])')" "$(units '$mail | map(.exchanges[] | select(.primary) | .name
        | capture("(?<p>[^.]+\\.(co\\.uk|com\\.br|[^.]+))$").p) | group_by(.) | map([.[0], length]) | sort_by(-.[1], .[0]) | .[:5]')"
    same "$(q '[.providers.rows[].domains, .providers.other.domains] | add')" "$(q .denominators.domains.accept_mail)"
    same "$(q '[.tlds.rows[].domains, .tlds.other.domains] | add')" "$(q .denominators.domains.accept_mail)"
    same "$(q '.ranks.rows | map(.name) | .[:3]')" '["top 100","top 1,000","top 10,000"]'
    same "$(q '.ranks.rows[1].domains')" "$(jq -s 'map(select(.mx_status == "has_mx" and .rank <= 1000)) | length' a.ndjson)"
}

@test "text, TSV and Markdown have the numbers of JSON" {
    report 0 --json a.ndjson
    local json=$output n
    n=$(q .figures.starttls.mx_hosts.n)
    report 0 --format tsv a.ndjson
    same "$(awk -F'\t' 'NF != 5' <<< "$output")" ""
    same "$(awk -F'\t' '$1 == "figure" && $2 == "starttls" && $3 == "mx_hosts" { print $4 }' <<< "$output")" "$n"
    same "$(awk -F'\t' '$1 == "cipher"' <<< "$output" | wc -l)" "$(jq '.tables.cipher.rows | length * 3' <<< "$json")"
    report 0 a.ndjson
    has "STARTTLS between mail servers: 1,500 names on 2026-11-24"
    same "$(awk '/^  STARTTLS  / { print $5; exit }' <<< "$output" | tr -d ,)" "$n"
    report 0 --format markdown --title 'Our *own* survey' a.ndjson
    has "# Our *own* survey"
    same "$(grep -c '^## ' <<< "$output")" "$(grep -c '^| ---' <<< "$output")"
}

@test "--compare: verdicts that changed, what got worse, figures then and now" {
    report 0 --json --name-domains --compare a.ndjson b.ndjson
    same "$(q '.compare | [.common, .added, .gone]')" '[1500,0,0]'
    same "$(q '.compare.moves | map([.from, .to, .domains]) | sort')" "$(jq -s -c '
        def verdicts: map({(.domain): .summary.verdict}) | add;
        (map(select(.timestamp < "2026-12")) | verdicts) as $old | (map(select(.timestamp > "2026-12")) | verdicts) as $new
        | [$old | keys[] | select($old[.] != $new[.]) | [$old[.], $new[.]]] | group_by(.) | map(.[0] + [length]) | sort' a.ndjson b.ndjson)"
    same "$(q '.compare | .same + .better + .worse + .lost + .found + ([.moves[] | select([.from, .to] | index("no-mail")) | .domains] | add // 0)')" 1500
    [ "$(q .compare.better)" -gt 0 ]
    same "$(q '.compare.old.figures.tls13.domains.n')" "$("$MXTLS" report --json a.ndjson | jq .figures.tls13.domains.n)"
    report 0 --compare a.ndjson b.ndjson
    has "Changes since 2026-11-24"
    # the way back: what was better is worse now, and named
    report 0 --json --name-domains --compare b.ndjson a.ndjson
    [ "$(q .compare.worse)" -gt 0 ]
    same "$(q '.compare.worse == .compare.worsened.total')" true
    same "$(q '.compare.worsened.rows | length > 0 and all(.[]; .before != .verdict and .domain != null)')" true
}

@test "files of several days: the newest is reported, all make the trend, whatever the order" {
    report 0 --json b.ndjson a.ndjson
    same "$(q '[.trend[] | [.day, .records]]')" '[["2026-11-24",1500],["2026-12-24",1500]]'
    same "$(q .survey.day)" '"2026-12-24"'
    local both=$output
    report 0 --json b.ndjson
    same "$(q .tables)" "$(jq -c .tables <<< "$both")"
    report 0 --json --survey all a.ndjson b.ndjson
    same "$(q '[.survey.records, (.trend | length)]')" '[3000,1]'
    cat a.ndjson b.ndjson > both.ndjson
    report 0 --json --survey file b.ndjson a.ndjson both.ndjson
    same "$(q '.trend | length')" 3
}

@test "parts of one survey make the figures of the whole" {
    split -n l/3 a.ndjson part-
    report 0 --json a.ndjson
    local whole
    whole=$(q 'del(.generated, .survey.files, .trend[].files)')
    report 0 --json part-a?
    same "$(q 'del(.generated, .survey.files, .trend[].files)')" "$whole"
    report 0 --json - < a.ndjson
    same "$(q 'del(.generated, .survey.files, .trend[].files)')" "$whole"
}

@test "--dedupe-output: hosts and certificates in lines of their own make the same figures" {
    report 0 --json a.ndjson
    local whole
    whole=$(q 'del(.generated, .input)')
    "$ROOT/tests/lib/survey_make.py" --records 1500 --providers 60 --own 80 --dedupe > deduped.ndjson
    same "$(jq -r .type deduped.ndjson | sort -u | paste -sd ' ')" "certificate domain host meta"
    [ "$(stat -c %s deduped.ndjson)" -lt "$(($(stat -c %s a.ndjson) / 2))" ]
    report 0 --json deduped.ndjson
    same "$(q 'del(.generated, .input)')" "$whole"
    # a host line that is torn: its domains are told, not guessed
    sed 's/^\({"schema":"mxtls-probe.1","type":"host","ref":"198.51.0.4:25[^,]*,\).*/\1/' deduped.ndjson > torn-host.ndjson
    run -0 --separate-stderr "$MXTLS" report --json torn-host.ndjson
    [[ $stderr == *": refers to the host 198.51.0.4:25/"*", which no line before tells about"* ]]
    same "$(q '.survey.records + .input.lines_left_out')" 1501
}

@test "real surveys, both forms, of servers that offer STARTTLS, do not, and have DANE: figures and domains" {
    certs_make
    dns_start < <(
        postfix_zone
        cat <<'ZONE'
good.test.   MX 10 rsa.box.test.
also.test.   MX 10 rsa.box.test.
two.test.    MX 10 both.box.test.
plain.test.  MX 10 notls.box.test.
null.test.   MX 0 .
ZONE
    )
    postfix_start rsa both notls
    printf '%s\n' good.test also.test two.test plain.test null.test none.test > list
    for form in '' --dedupe-output; do
        run "$MXTLS" probe -4 --ca-file "$CERTS/root.crt" --json -f list -o "real$form.ndjson" $form
        report 0 --json "real$form.ndjson"
        same "$(q .input.lines_left_out)" 0
        same "$(q .denominators.domains)" '{"names":6,"resolved":5,"accept_mail":4,"reachable":4,"measured":4,"with_tls":3}'
        same "$(q '.denominators.mx_hosts.measured')" 3
        same "$(q '.tables.starttls.rows | map([.value, .domains, .mx_hosts])')" '[["all",3,2],["some",0,0],["none",1,1],["unknown",0,0]]'
        same "$(q '.figures.trusted.mx_hosts | [.n, .of]')" '[2,3]'
        same "$(table key | jq -c .mx_hosts)" '{"ecdsa 256":1,"rsa 2048":2}'
        same "$(q '.findings.rows | map([.domain, .verdict])')" '[["plain.test","plaintext"]]'
        q 'del(.generated, .input, .survey, .trend)' > "form$form"
    done
    same "$(jq -S . form--dedupe-output | diff - <(jq -S . form))" ""
}

@test "names of domains: up to 1,000, or with --name-domains, never with --anonymize" {
    head -n 900 a.ndjson > small.ndjson
    report 0 --json small.ndjson
    same "$(q '.findings | .named and (.rows | length > 0)')" true
    report 0 --json a.ndjson
    same "$(q '[.findings.named, .findings.rows, .findings.total > 0]')" '[false,[],true]'
    report 0 --json --name-domains a.ndjson
    same "$(q '.findings.rows[0].verdict')" '"broken"'
    same "$(q .findings.total)" "$(jq -s 'map(select(.summary.verdict | IN("broken","broken-some","plaintext","backup-plaintext"))) | length' a.ndjson)"
    for format in text json tsv markdown html; do
        report 0 --anonymize --format "$format" small.ndjson
        has_not "d0000"
        has_not "example-mail"
        has_not "provider3."
        has_not "small.ndjson"
        has "provider"
    done
}

@test "a torn line and foreign lines are told with file and number, and do not stop the run" {
    {
        head -n 10 a.ndjson
        echo '{"hello":1}'
        echo 'not json'
        sed -n 11p a.ndjson | head -c 500
        echo
        echo '{"schema":"mxtls-report/1"}'
        echo '{"schema":"mxtls-probe/1","type":"sculpture"}'
        echo
        sed -n 12,20p a.ndjson
        sed -n 21p a.ndjson | head -c 300
    } > torn.ndjson
    run -0 --separate-stderr "$MXTLS" report --json torn.ndjson
    same "$(q '[.survey.records, .input.lines_left_out]')" '[19,6]'
    same "$stderr" 'mxtls report: torn.ndjson:11: no record of mxtls probe: it has no "schema"
mxtls report: torn.ndjson:12: not JSON: column 1: expected an object
mxtls report: torn.ndjson:13: not JSON: cut off at column 501, expected the end of a string
mxtls report: torn.ndjson:14: no record of mxtls probe: schema "mxtls-report/1", expected "mxtls-probe/1"
mxtls report: torn.ndjson:15: a line of the unknown type "sculpture"
mxtls report: torn.ndjson:26: not JSON: cut off at column 301, expected the end of a string'
    yes nonsense | head -n 1000 | cat - a.ndjson > bad.ndjson
    run -0 --separate-stderr "$MXTLS" report --json bad.ndjson
    same "$(q '[.survey.records, .input.lines_left_out]')" '[1500,1000]'
    same "${#stderr_lines[@]}" 11
    # a word of a newer version is unknown, not fatal
    sed 's/"verdict":"pkix"/"verdict":"quantum"/' a.ndjson > new.ndjson
    run -0 --separate-stderr "$MXTLS" report --json new.ndjson
    [[ $stderr == *"unknown words, counted as unknown (such as verdict: quantum)"* ]]
}

# readme TITLE TOOL: the command of README that answers the question with the tool, which must be there
readme() {
    local command
    command=$(awk -v title="$1" -v tool="$2" '
        $0 ~ "^" title { asked = 1; next }
        asked && /^[^ ]/ { exit }
        asked && /^    \$ / { on = $2 == tool; sub(/^    \$ /, "    ") }
        asked && on { print substr($0, 5) }' "$ROOT/README.md")
    [[ $command == "$2 "* ]] || {
        echo "README has no $2 command for: $1" >&2
        return 1
    }
    bash -o pipefail -c "$command"
}

# answers TITLE EXPECTED: jq and sqlite3, as README asks them, both give these lines
answers() {
    local tool
    for tool in jq sqlite3; do
        same "$tool: $(readme "$1" "$tool" | sed 's/^ *\([0-9]*\) /\1|/' | sort)" "$tool: $(sort <<< "$2")"
    done
}

@test "README: what it asks of the records with jq and sqlite3 has the answers of the report" {
    mkdir readme
    cd readme
    "$ROOT/tests/lib/survey_make.py" --records 900 --providers 60 --own 80 --meta > survey.ndjson
    report 0 --json --name-domains --top 1000 survey.ndjson
    # the command that fills the database
    bash -c "$(awk '/^    \$ sqlite3 survey.db <</ { on = 1; sub(/\$ /, "") } on { print substr($0, 5) } on && /^    EOF$/ { exit }' \
        "$ROOT/README.md")"
    same "$(sqlite3 survey.db 'SELECT count(*) FROM line')" 901
    answers 'Domains by verdict:' "$(jq -r '.tables.verdict.rows[] | select(.domains > 0) | "\(.domains)|\(.value)"' <<< "$output")"
    answers 'STARTTLS at all' "$(jq -r '.tables.starttls.rows[] | select(.domains > 0 and .value != "unknown") | "\(.domains)|\(.value)"' <<< "$output")"
    answers 'TLS versions' "$(jq -r '.tables.version.rows[] | "\(.domains)|\(.value)"' <<< "$output")"
    answers 'Domains with a post-quantum' "$(q .figures.post_quantum.domains.n)"
    answers 'MX hosts with an IPv6' "$(q '.tables.ipv6.rows[] | select(.value == "aaaa").mx_hosts')"
    answers 'Domains whose own policy' "$(jq -r '.findings.rows[] | select(.verdict == "broken") | "\(.domain)|\(.reason)"' <<< "$output")"
    # nothing there that is not run
    same "$(grep -c '^    \$ \(jq\|sqlite3\) ' "$ROOT/README.md")" 13
}

@test "logs of listen and send: messages, share encrypted, version, cipher, group, last in clear, by domain and network" {
    local at day
    certs_make
    listen_start mx --self-signed --accept ok.test --deliver discard --hostname mx.box.test --log json 127.0.0.1:0
    at=$(listen_at mx)
    printf 'From: a@b.test\r\n\r\nhello\r\n' > mail
    put() { curl -sS --url "smtp://$at/client.box.test" --mail-from "$1" --mail-rcpt "$2" -T mail "${@:3}"; }
    put a@Big.test u@ok.test --ssl-reqd -k
    put b@big.test u@ok.test --ssl-reqd -k --tls-max 1.2
    put c@clear.test u@ok.test
    put "<>" u@ok.test --ssl-reqd -k
    run ! put c@clear.test u@elsewhere.test
    for to in u@ok.test v@ok.test w@elsewhere.test; do
        run "$MXTLS" send --no-queue --log "$PWD/sent.log" --log-format json --via "[127.0.0.1]:${at##*:}" -f me@here.test "$to" < mail
    done
    listen_stop_all
    grep '^{' "$(peer_log mx)" > received.log
    report 0 --json received.log sent.log
    same "$(q '.received | [.messages, .tls, .post_quantum, .refused, .percent]')" '[6,5,0,2,83.33]'
    same "$(q '.received.version')" '{"TLSv1.3":4,"TLSv1.2":1}'
    same "$(q '.received.cipher | add')" 5
    # the same of the lines themselves
    same "$(q '[.received.domains[] | [.name, .messages, .tls]] | sort')" "$(jq -s -c '[.[] | select(.event == "message" and .accepted)]
        | group_by(.from_domain) | map([.[0].from_domain, length, (map(select(.tls)) | length)]) | sort' received.log)"
    same "$(q '.received.domains[] | select(.name == "big.test") | [.versions["TLSv1.3"], .versions["TLSv1.2"], .last_clear]')" '[1,1,null]'
    same "$(q '.received.last_clear')" "$(jq -s -c 'map(select(.event == "message" and (.tls | not)).time)[0]' received.log)"
    same "$(q '[.received.networks[] | [.name, .messages]]')" '[["127.0.0.0/24",6]]'
    same "$(q '.sent | [.messages, .tls, .failed, .deferred]')" '[2,2,1,0]'
    same "$(q '[.sent.domains[] | [.name, .messages]]')" '[["ok.test",2]]'
    day=$(date -u +%F)
    report 0 received.log
    has "Mail received: 6 messages, $day to $day"
    same "$(awk '$1 == "clear.test" { print $2, $3, $4, $5 }' <<< "$output")" "1 0 % $day"
    report 0 --format tsv received.log sent.log
    same "$(awk -F'\t' 'NF != 5' <<< "$output")" ""
    same "$(awk -F'\t' '$1 == "sent.domain" && $3 == "tls" { print $2, $4, $5 }' <<< "$output")" "ok.test 2 2"
    for format in text json tsv markdown html; do
        report 0 --anonymize --format "$format" received.log sent.log
        has_not "big.test"
        has_not "127.0.0."
    done
    # one kind at a time
    run -0 --separate-stderr "$MXTLS" report --json received.log a.ndjson
    [[ $stderr == *"a.ndjson:1: a line with a schema in a log of mail"* ]]
    cat a.ndjson received.log > both.log
    run -0 --separate-stderr "$MXTLS" report --json both.log
    [[ $stderr == *"both.log:1501: a line of a log of mail among records of a survey"* ]]
    run -65 --separate-stderr "$MXTLS" report --compare a.ndjson received.log
}

@test "usage: no file, a file that is not there, a file without records, options that exclude each other" {
    run -64 "$MXTLS" report
    has "expected records of mxtls probe --json"
    run -66 "$MXTLS" report a.ndjson none.ndjson
    has "cannot read none.ndjson: No such file or directory"
    : > empty.ndjson
    run -65 "$MXTLS" report empty.ndjson
    has "there is no record in empty.ndjson"
    run -65 "$MXTLS" report --compare empty.ndjson a.ndjson
    has "option --compare: there is no record in empty.ndjson"
    run -64 "$MXTLS" report --anonymize --name-domains a.ndjson
    has "exclude each other"
    run -64 "$MXTLS" report --format pdf a.ndjson
    has "pdf"
    run -66 "$MXTLS" report .
    has "cannot read ."
    run -73 "$MXTLS" report -o /nonexistent/x a.ndjson
    has "cannot create /nonexistent/x"
    run -74 --separate-stderr bash -c '"$MXTLS" report a.ndjson > /dev/full'
    run -0 bash -o pipefail -c '"$MXTLS" report a.ndjson | head -n 1'
    run -73 "$MXTLS" report -o /dev/full a.ndjson
}
