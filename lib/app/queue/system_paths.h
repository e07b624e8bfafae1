#ifndef APP_QUEUE_SYSTEM_PATHS_H
#define APP_QUEUE_SYSTEM_PATHS_H

/* The places of system mode (DECISIONS A1). Built in: no caller may choose them. */
#ifndef SYSTEM_SPOOL /* the makefile's SPOOLDIR and STATEDIR */
#define SYSTEM_SPOOL "/var/spool/mxtls"
#define SYSTEM_STATE "/var/lib/mxtls" /* what the runner remembers beside the queue */
#endif
#define SYSTEM_CONFIG "/etc/mxtls"

/* In the spool, for mxtls-submit; all else in it is the runner's alone. */
#define SYSTEM_INCOMING "incoming" /* 1770: who may write there takes no file of another */
#define SYSTEM_WAKE "wake"         /* FIFO of a runner that waits */
#define SYSTEM_WAKE_INCOMING 'm'   /* what is written there: take in what came */
#define SYSTEM_WAKE_ASKED 'q'      /* run the queue */
#define SYSTEM_LAST_RUN "last-run" /* its time tells when the queue was run */

/* Names in incoming: being written, waiting for an answer. Submissions have their id alone. */
#define SYSTEM_TMP "tmp."
#define SYSTEM_REPLY "reply."

#endif
