#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/*
 * Every maximum in one place, with its reason. Anything that grows with what a peer sends has a
 * row here; nothing else in the tree may invent a bound for network input.
 */

/* SMTP, as a client (RFC 5321 s4.5.3.1 gives minima; ours are larger, and final). */
#define LIMIT_REPLY_LINE_BYTES 2048   /* s4.5.3.1.5 says 512; real EHLO lines are longer */
#define LIMIT_REPLY_LINES 128         /* longest real EHLO reply seen has about 25 */
#define LIMIT_REPLY_BYTES (64 * 1024) /* a whole reply, all lines together */
#define LIMIT_PATH_BYTES 256          /* s4.5.3.1.3, with the angle brackets */
/* s4.5.3.1.1 asks for 64 at least; VERP and SRS addresses in use are longer */
#define LIMIT_LOCAL_PART_BYTES 200
#define LIMIT_DOMAIN_BYTES 255       /* s4.5.3.1.2, RFC 1035 s2.3.4 */
#define LIMIT_COMMAND_ARG_BYTES 1000 /* what smtp_cmd() will write after the verb */
/* commands sent before their replies are read (RFC 2920 s3.1): less than any socket's buffers hold */
#define LIMIT_GROUP_BYTES 4096

/* SMTP, as a server. */
#define LIMIT_COMMAND_LINE_BYTES 2048 /* 512 plus RFC 6531 and RFC 3461 parameters, and room */
#define LIMIT_RECIPIENTS 100          /* s4.5.3.1.8 asks for at least 100; announced by LIMITS */
#define LIMIT_MESSAGE_BYTES (25L * 1000 * 1000) /* default of SIZE= */
#define LIMIT_RELAY_HEADER_BYTES (256 * 1024)   /* header section of a message to be relayed */
#define LIMIT_TEXT_LINE_BYTES 998               /* RFC 5322 s2.1.1, without CRLF */
#define LIMIT_HOPS 100                          /* s6.3: reject above 100 Received fields */
#define LIMIT_SERVER_ERRORS 10                  /* errors of one session before 421 */

/* Reading ahead. */
#define LIMIT_CONN_READ_BYTES 16384 /* one TLS record */
#define LIMIT_CONN_TURN_BYTES 16384 /* read in one turn before other fibers get theirs */

/* TLS. */
#define LIMIT_CHAIN_BYTES (100 * 1024) /* certificate message; OpenSSL's own default */
#define LIMIT_CHAIN_DEPTH 10           /* intermediates accepted when a chain is built */
#define LIMIT_CHAIN_CERTS 32           /* certificates of a chain kept as facts; real ones have 5 */
#define LIMIT_SERVER_CERTS 200         /* names of a server with certificates of their own */
#define LIMIT_SANS 200                 /* names kept of one certificate */
#define LIMIT_CERT_TEXT_BYTES 1024     /* one name or distinguished name of a certificate */
#define LIMIT_DANE_VERIFICATIONS 16    /* chains built for the TLSA records of one server */
#define LIMIT_VERIFY_ERRORS 32         /* errors kept of one verification */
#define LIMIT_CHAINS_JUDGED 1000       /* judgements kept, of chains that may come again */
#define LIMIT_CHAIN_JUDGED_S 600       /* and how long: the store has other certificates, too */
#define LIMIT_TLS_TURN_BYTES 65536     /* read in one turn before other fibers get theirs */
#define LIMIT_TLS_POST_HANDSHAKE 256   /* tickets and the like after the handshake; real: 2 */
#define LIMIT_HELLO_BYTES 262144       /* a server's first flight: mostly its certificates */
#define LIMIT_TLS_KEY_UPDATES 16       /* in a minute (RFC 8446 s5.5: one in 2^24 records) */

/* DNS. */
#define LIMIT_DNS_UDP_BYTES 1232  /* EDNS0 size that no path fragments (DNS flag day 2020) */
#define LIMIT_DNS_TCP_BYTES 65535 /* RFC 1035 s4.2.2: two bytes of length */
#define LIMIT_DNS_RECORDS 256     /* records kept of one answer */
#define LIMIT_CNAME_CHAIN 10      /* aliases followed inside one answer */
#define LIMIT_DNS_SERVERS 16      /* resolvers of one run; resolv.conf itself has at most 3 */
#define LIMIT_DNS_IN_FLIGHT \
	500 /* lookups on the wire at once: a resolver drops what is above its own bound */
#define LIMIT_DNS_CACHE_ENTRIES 20000
#define LIMIT_DNS_CACHE_BYTES (16 * 1024 * 1024)
#define LIMIT_DNS_TTL_S 86400 /* as resolvers cut it; a longer one is a mistake or an attack */
#define LIMIT_DNS_NEGATIVE_TTL_S 3600 /* RFC 2308 s5: one to three hours */
#define LIMIT_DNS_FAILURE_TTL_S 5     /* SERVFAIL, no answer (RFC 9520 s3.2: at least 1 s) */
#define LIMIT_RESOLV_CONF_BYTES 65536
#define LIMIT_TLSA_RECORDS 100 /* of one host looked at; real: at most 10 */
#define LIMIT_MX_HOSTS 50      /* MX hosts looked at for one domain */
#define LIMIT_MX_ADDRESSES 20  /* addresses looked at for one MX host */

/* HTTPS and MTA-STS. */
#define LIMIT_HTTP_HEADER_BYTES 65536 /* of a reply */
#define LIMIT_HTTP_SESSIONS 64        /* of libcurl, kept for the next request */
#define LIMIT_HTTP_PER_SERVER 8       /* requests at once to one server, under whatever names */
#define LIMIT_STS_POLICY_BYTES 65536  /* RFC 8461 s3.3 */
#define LIMIT_STS_MAX_AGE_S 31557600  /* RFC 8461 s3.2: a year */
#define LIMIT_STS_RECORD_BYTES 1024   /* a real one has about 30 */
#define LIMIT_STS_FINDINGS 20
#define LIMIT_STS_CACHE_BYTES (LIMIT_STS_POLICY_BYTES + 8192) /* one file: policy and head */
#define LIMIT_STS_KEPT 1000 /* policies kept in memory by one process */
#define LIMIT_TLSRPT_RECORD_BYTES 4096
#define LIMIT_TLSRPT_URIS 20
#define LIMIT_TLSRPT_KEPT_DAYS 10 /* reports are for the day before (RFC 8460 s4.1) */
#define LIMIT_TLSRPT_DAY_BYTES (64 * 1024 * 1024) /* results of one day before they are summed up */
#define LIMIT_TLSRPT_SUM_BYTES (8 * 1024 * 1024)  /* they are summed up when there are that many */
#define LIMIT_TLSRPT_ROWS 100000                  /* different results of one day; 500 bytes each */
#define LIMIT_TLSRPT_LINE_BYTES 16384             /* one result */
#define LIMIT_TLSRPT_POLICY_LINES 100             /* told of one policy; a longer one is cut */
#define LIMIT_TLSRPT_REPORT_BYTES (64 * 1024 * 1024) /* one report; a big one has 10 KiB */
#define LIMIT_SPF_BYTES 8192                         /* one record; RFC 7208 s3.4 wants 450 */
#define LIMIT_SPF_LOOKUPS 10                         /* RFC 7208 s4.6.4 */
#define LIMIT_CAA_RECORDS 50
#define LIMIT_CAA_VALUE_BYTES 1024

/* Messages read from stdin. */
#define LIMIT_HEADER_BYTES (1024 * 1024)        /* whole header section of a submitted message */
#define LIMIT_SUBMIT_BYTES (100L * 1000 * 1000) /* a whole submitted message */
#define LIMIT_SUBMIT_RECIPIENTS 10000           /* recipients of one submission */
#define LIMIT_SUBMISSION_HEAD_BYTES \
	(4 * 1024 * 1024) /* command line for the runner: ARG_MAX is 2 MiB, and bytes are escaped */
#define LIMIT_INCOMING 20000      /* submissions taken in at once; what is beyond waits */
#define LIMIT_INCOMING_ALL 20000  /* submissions that may wait for the runner, of all users... */
#define LIMIT_INCOMING_OWN 5000   /* ... and of one; their replies count, too */
#define LIMIT_SUBMISSION_NOTES 50 /* lines for the log with one submission */

/* Policies. */
#define LIMIT_SECRET_BYTES 12288 /* file of credentials, password or token (RFC 4954 s4) */
#define LIMIT_CONSTRAINTS 16     /* mx: and ip: rules at one host; more, and it is not used */
/* domains that policy suggest looks at; 150 bytes each */
#define LIMIT_SUGGEST_DOMAINS 1000000

/* Local files. */
#define LIMIT_ENVELOPE_BYTES \
	(24 * 1024 * 1024)           /* 10000 recipients with DSN words, every byte escaped */
#define LIMIT_ENVID_BYTES 100        /* RFC 3461 s4.4 */
#define LIMIT_ORCPT_BYTES 500        /* RFC 3461 s4.2 */
#define LIMIT_JOURNAL_TEXT_BYTES 500 /* kept of what a server said about a recipient */
#define LIMIT_QUEUE_WORKERS 4096     /* processes that work on one queue at once */
#define LIMIT_PID (1 << 22)          /* of Linux, 64 bits */
/* every recipient of a big message deferred in words of its own for five days */
#define LIMIT_JOURNAL_BYTES (512L * 1024 * 1024)
#define LIMIT_STICKY_DOMAINS 100000          /* remembered by sticky=yes, a file each */
#define LIMIT_CONFIG_BYTES (8 * 1024 * 1024) /* policy file with its @lists */
#define LIMIT_CONFIG_LINE_BYTES 8192
#define LIMIT_JSON_DEPTH 32 /* a record nests 8 deep; jansson recurses, and stacks are small */

/* Results. */
#define LIMIT_RECORD_BYTES (64 * 1024 * 1024) /* one probe record, as text or JSON */
#define LIMIT_TARGET_BYTES \
	(8 * 1024 * 1024)       /* kept of one target; then no session is begun for it */
#define LIMIT_BANNER_BYTES 4096 /* kept of a greeting */

/* Reports. What is beyond is counted together, and the report says so. */
#define LIMIT_REPORT_ROWS 4000        /* values of one table: issuers; ciphers are some 300 */
#define LIMIT_REPORT_SERVERS 20000000 /* distinct MX hosts, addresses; 16 to 32 bytes each */
#define LIMIT_REPORT_PROVIDERS 100000 /* 150 bytes each; of a million domains the largest by far */
#define LIMIT_REPORT_DOMAINS \
	200000000                   /* of the older survey of a comparison; 16 to 32 bytes each */
#define LIMIT_REPORT_FINDINGS 1000  /* domains named for one reason */
#define LIMIT_REPORT_SENDERS 100000 /* domains, networks that logs name: 240 bytes each */
#define LIMIT_REPORT_SURVEYS 1000   /* in one trend */
#define LIMIT_REPORT_VALUES 256     /* different values of all tables at one domain */
#define LIMIT_STATS_ROWS 10000 /* domains and networks that listen counts by name: 240 bytes each */
#define LIMIT_REPORT_BYTES (256 * 1024 * 1024) /* the largest report: logs of 400,000 names */
#define LIMIT_REPORT_FAULTS 10                 /* bad lines of one file told one by one */

/* Surveys. */
#define LIMIT_SURVEY_LINE_BYTES 4096 /* of the list; a target has 1024 at most */
#define LIMIT_SURVEY_QUEUED 20000    /* servers that wait for their turn: 300 bytes each */
#define LIMIT_SURVEY_WAITING 200000  /* domains that wait for servers: 10 MiB or so */
#define LIMIT_SURVEY_RESOLVING 400   /* domains whose names are looked up at once */
#define LIMIT_SURVEY_FETCHING 2000   /* domains whose policies are fetched: fibers */
#define LIMIT_SURVEY_RESULTS 512     /* servers' results kept in memory beside the file */
#define LIMIT_SURVEY_RESULT_BYTES (24 * 1024 * 1024) /* and what they may take together */

/* Processes. */
#define LIMIT_FIBERS 30000 /* two mappings each; vm.max_map_count is 65530 */
#define LIMIT_LOG_LINE_BYTES 2048

#endif
