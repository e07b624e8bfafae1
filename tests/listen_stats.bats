# How much mail came encrypted: the counts of mxtls listen, the mark on what came in clear, and its folder.
load lib/rig
load lib/listen

setup_file() {
    certs_make
}

setup() {
    D=$BATS_TEST_TMPDIR
    {
        printf 'Authentication-Results: mx.box.test; x-tls=pass (forged)\r\n'
        printf 'Authentication-Results: other.test; spf=pass\r\n'
        printf 'X-Received-In-Clear: no\r\n'
        printf 'From: a@sender.test\r\nSubject: hello\r\n\r\nX-Received-In-Clear: quoted\r\n'
    } > "$D/mail"
}

teardown() {
    listen_stop_all
}

# start NAME ARG...: AT is where
start() {
    listen_start "$1" --hostname mx.box.test --self-signed --accept ok.test "${@:2}" 127.0.0.1:0
    AT=$(listen_at "$1")
}

# mail FROM [CURL-ARG...]: one message
mail() {
    curl -sS --url "smtp://$AT/client.box.test" --mail-from "$1" --mail-rcpt u@ok.test -T "$D/mail" "${@:2}"
}

@test "--stats and SIGUSR1: messages, share encrypted and the last in clear, by sender domain and by network" {
    start stats --deliver discard --stats "$D/stats"
    mail a@Sender.test --ssl-reqd -k
    mail a@sender.test --ssl-reqd -k --tls-max 1.2
    mail b@other.test
    mail "<>" --ssl-reqd -k
    # another network
    run -0 swaks --server "${AT%:*}" --port "${AT##*:}" -li 127.0.9.1 --ehlo client.box.test --from c@xn--bcher-kva.test --to u@ok.test
    kill -USR1 "$(peer_pid stats)"
    listen_said stats 'all: 5 messages, 3 \(60\.0 %\) encrypted; last in clear: 20'
    listen_said stats 'sender.test: 2 messages, 2 \(100\.0 %\) encrypted; last in clear: never'
    listen_said stats '<>: 1 messages'
    run -0 python3 - "$D/stats" <<'PYTHON'
import json, sys
s = json.load(open(sys.argv[1]))
assert s["schema"] == "mxtls-inbound/1" and s["total"]["messages"] == 5 and s["total"]["tls"] == 3, s
domains = {d["name"]: d for d in s["domains"]}
assert set(domains) == {"sender.test", "other.test", "", "xn--bcher-kva.test"}, domains
assert domains["sender.test"]["versions"] == {"TLSv1.3": 1, "TLSv1.2": 1} and domains["sender.test"]["last_clear"] is None
assert domains["other.test"]["tls"] == 0 and domains["other.test"]["last_clear"] and not domains["other.test"]["versions"]
assert sum(domains["sender.test"]["groups"].values()) == 2 and "TLS_AES_256_GCM_SHA384" in domains["sender.test"]["ciphers"]
networks = {n["name"]: n["messages"] for n in s["networks"]}
assert networks == {"127.0.0.0/24": 4, "127.0.9.0/24": 1}, networks
PYTHON
    # once more at the end; nothing half written stays
    mail a@sender.test
    peer_stop stats
    same "$PEER_STATUS" 0
    run -0 python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["total"]["messages"])' "$D/stats"
    same "$output" 6
    same "$(find "$D" -name 'stats*')" "$D/stats"
    MXTLS_NO_FIBERS=1 run -64 "$MXTLS" listen --workers 0 --stats "$D/none" --tls off --deliver discard 127.0.0.1:0
    has "without fibers --stats and --stop-after need workers"
}

@test "--mark: fields say how it came, forged ones of ours are gone, those of others and the text stay (RFC 8601 s5)" {
    start mark --deliver "maildir:$D/box" --mark
    mail a@sender.test
    new_mail "$D/box" 1
    same "$(sed 's/^Received:.*/Received:/; /^\t\(by\|for\|[A-Z][a-z][a-z],\)/d' "$MAIL")" "Return-Path: <a@sender.test>
Delivered-To: u@ok.test
Authentication-Results: mx.box.test;
	x-tls=none
X-Received-In-Clear: yes
Received:
Authentication-Results: other.test; spf=pass
From: a@sender.test
Subject: hello

X-Received-In-Clear: quoted"
    find "$D/box/new" -type f -delete
    mail a@sender.test --ssl-reqd -k
    new_mail "$D/box" 1
    run -0 cat "$MAIL"
    has "	x-tls=pass policy.version=TLSv1.3 policy.cipher=TLS_AES_256_GCM_SHA384"
    has_not "X-Received-In-Clear: yes"
    has_not "forged"
    # Python's parser, which has its own idea of fields, sees one result of ours
    run -0 python3 - "$MAIL" <<'PYTHON'
import email, email.policy, sys
m = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
print([" ".join(r.split()) for r in m.get_all("Authentication-Results")], m["X-Received-In-Clear"])
PYTHON
    has "['mx.box.test; x-tls=pass policy.version=TLSv1.3 policy.cipher=TLS_AES_256_GCM_SHA384', 'other.test; spf=pass'] None"
}

@test "--clear-folder: what came in clear is in a folder of its own, of one maildir and of each" {
    start folder --deliver "maildir:$D/box" --clear-folder Clear
    mail a@sender.test
    mail a@sender.test --ssl-reqd -k
    new_mail "$D/box" 1
    file_has "$MAIL" "with ESMTPS"
    new_mail "$D/box/.Clear" 1
    file_has "$MAIL" "with ESMTP id"
    mkdir -p "$D/many/ok.test/u"
    start folders --deliver "maildir:$D/many/%d/%u" --clear-folder Clear
    mail a@sender.test
    mail a@sender.test --ssl-reqd -k
    new_mail "$D/many/ok.test/u" 1
    new_mail "$D/many/ok.test/u/.Clear" 1
    file_has "$MAIL" "with ESMTP id"
    local name
    for name in .. a/b .x; do
        run -64 timeout 10 "$MXTLS" listen --self-signed --accept ok.test --deliver "maildir:$D/box" --clear-folder "$name" 127.0.0.1:0
        has "'$name' is no name of a folder"
    done
    run -64 timeout 10 "$MXTLS" listen --self-signed --accept ok.test --deliver discard --clear-folder Clear 127.0.0.1:0
    has "--clear-folder is for --deliver maildir:DIR, not 'discard'"
}
