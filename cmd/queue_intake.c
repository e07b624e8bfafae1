#include "queue_intake.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/queue/incoming.h"
#include "app/queue/room.h"
#include "app/queue/system.h"
#include "app/queue/wake.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/child.h"
#include "io/sched.h"
#include "io/signals.h"
#include "send_job.h"

#define STOP_MS 10000
#define LIST_S 60
#define STATUS_LEFT 10 /* of a child: the message is in q/, and was not tried */

/* For error texts. */
static const struct command self = { .name = "sendmail" };

/* Written by the child that takes in, read by us. */
struct progress {
	char current[QUEUE_ID_BYTES];  /* in hand */
	char earliest[QUEUE_ID_BYTES]; /* of those that came into q/; "": none did */
};

struct intake {
	struct queue_command *q;
	struct route *route;
	struct send_options options; /* of mxtls.conf, as for sendmail */
	struct arena arena;
	struct progress *progress; /* shared memory */
	int wake;                  /* of the runner; -1: it does not stay */
	struct waited *waited;
	char left
	    [QUEUE_ID_BYTES]; /* the earliest that a child of somebody who waited left to the runner */
	unsigned children;
	struct waitq done;
};

/* Somebody waits for the answer. */
struct waited {
	struct intake *in;
	struct waited *next;
	char id[QUEUE_ID_BYTES];
	struct child child;
};

/* --- in a child: one submission ------------------------------------------------------------------------ */

struct taking {
	struct intake *in;
	struct send_job *job;
	struct send_options options;
	const char *id;
	bool stored;
	bool report; /* a report about it is in q/ */
};

static void
on_stored(void *ctx)
{
	struct taking *t = ctx;

	t->stored = true;
	incoming_unlink(&t->in->q->spool, t->id);
}

static bool
is_stored(const struct spool *spool, const char *id)
{
	struct stat st;

	return fstatat(spool->q, id, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Mailboxes are written by children that can become their users: we cannot, any more. */
static bool
has_mailboxes(const struct taking *t)
{
	const struct local *local = &t->in->route->local;
	const struct message *m = &t->job->message;

	if (!local_becomes_users(local))
		return false;
	for (size_t i = 0; i < m->recipient_n; i++)
		if (!m->recipients[i].literal && local_is_domain(local, m->recipients[i].domain))
			return true;
	return false;
}

static void
tell_log(const struct submission *s)
{
	struct arena arena;

	arena_init(&arena);
	log_info("%s: from uid %lld (%s)", s->id, (long long)s->uid,
	    identity_login((uid_t)s->uid, &arena));
	for (size_t i = 0; i < s->args.ignored.n; i++)
		log_info("%s: %.300s", s->id, s->args.ignored.v[i]);
	arena_free(&arena);
}

static struct send_options
options_of(const struct intake *in, const struct submission *s, bool waited)
{
	struct send_options options = in->options;

	sendmail_take_args(&s->args, &options);
	options.delivery = waited ? DELIVERY_NOW : DELIVERY_QUEUE;
	options.no_queue = false;
	return options;
}

/*
 * What can never be sent: its sender is told as by any server that refuses it later. Somebody who waits, and wants no mail, has the status.
 */
static int
refuse(struct taking *t, struct incoming *in, bool waited)
{
	struct fail why = t->job->why, failed;
	int status = command_fail(&self, &why);
	bool by_status = waited && (t->options.errors == SENDMAIL_ERRORS_TEXT ||
				       t->options.errors == SENDMAIL_ERRORS_QUIET);

	log_info("%s: refused: %s", t->id, why.text);
	if (!by_status && lseek(in->text.fd, 0, SEEK_SET) == 0 &&
	    send_job_refuse(t->job, &in->submission.args.operands, in->text.fd, &why, &failed) !=
		0) {
		log_error("%s: %s", t->id, failed.text);
		return EX_OK; /* it is still in incoming/ */
	}
	t->report = !by_status;
	incoming_unlink(&t->in->q->spool, t->id);
	return t->options.errors == SENDMAIL_ERRORS_ZERO ? EX_OK : status;
}

/* What no later try can change, since it is the message's. All else is ours, and the message waits. */
static bool
is_for_good(const struct fail *why)
{
	switch (why->code) {
	case FAIL_ADDRESS:
	case FAIL_DNS_NAME:
	case FAIL_MESSAGE:
	case FAIL_MESSAGE_TOO_BIG:
	case FAIL_NO_RECIPIENT:
	case FAIL_NO_USER:
		return true;
	default:
		return false;
	}
}

/* Returns the status for whoever waits. */
static int
take_message(struct taking *t, struct incoming *in, bool waited)
{
	const struct submission *s = &in->submission;
	uid_t owner = (uid_t)s->uid;
	int64_t now = clock_wall();
	int status;

	t->options = options_of(t->in, s, waited);
	t->job->options = &t->options;
	t->job->work.deliver.verbose = t->options.route.verbose;
	t->job->owner = &owner;
	t->job->queue_id = t->id;
	t->job->time = s->time < now ? s->time : now;
	t->job->stored = on_stored;
	t->job->stored_ctx = t;
	fail_clear(&t->job->why);
	if (send_job_read(t->job, in->text.fd, &s->args.operands) != 0) {
		if (is_for_good(&t->job->why))
			return refuse(t, in, waited);
		log_error("%s: %s", t->id, t->job->why.text);
		return EX_OK;
	}
	tell_log(s);
	if (waited && system_gave_up_root() && has_mailboxes(t))
		t->options.delivery = DELIVERY_QUEUE;
	status = send_job_submit(t->job);
	if (!t->stored)
		log_error("%s: %s", t->id, t->job->why.text);
	send_job_forget(t->job);
	return t->stored ? status : EX_OK;
}

static void
send_status(int fd, int status)
{
	char text[SUBMISSION_STATUS_BYTES + 1];

	submission_status_format(text, status);
	file_write_all(fd, text, SUBMISSION_STATUS_BYTES);
}

/* mailq of an ordinary user. It may be long, and its reader slow. */
static int
list_own(struct intake *in, const struct submission *s, int reply)
{
	struct queue_options options = *in->q->options;
	struct queue_command q = *in->q;

	alarm(LIST_S);
	fcntl(reply, F_SETFL, O_WRONLY);
	options.format = QUEUE_FORMAT_TEXT;
	options.from = options.to = NULL;
	q.options = &options;
	q.ids_n = 0;
	q.only_owner = true;
	q.owner = (uint32_t)s->uid;
	if (dup2(reply, STDOUT_FILENO) < 0)
		return EX_OSERR;
	int status = queue_list(&q);
	return fflush(stdout) == 0 ? status : EX_IOERR;
}

/* Take in one; false when it could not be read now. */
static bool
take_one(struct taking *t, bool waited, int *status_r)
{
	struct spool *spool = &t->in->q->spool;
	struct incoming in;
	struct fail why;

	*status_r = EX_OK;
	t->stored = t->report = false;
	if (incoming_open(spool, t->id, &in, &why) != 0) {
		if (why.code == FAIL_QUEUE_FILE)
			incoming_set_aside(spool, t->id, &why);
		else if (why.code != FAIL_NO_INPUT)
			log_error("%s", why.text);
		return false;
	}
	int reply = incoming_reply_open(spool, &in.submission);
	if (waited && reply >= 0)
		dup2(reply, STDERR_FILENO);
	if (in.submission.kind == SUBMISSION_LIST) {
		*status_r =
		    waited && reply >= 0 ? list_own(t->in, &in.submission, reply) : EX_TEMPFAIL;
		incoming_unlink(spool, t->id);
	} else if (is_stored(spool, t->id)) { /* a crash came between */
		incoming_unlink(spool, t->id);
	} else {
		/* what a child before us left when it was killed; nobody else has this submission now */
		unlinkat(spool->tmp, t->id, 0);
		*status_r = take_message(t, &in, waited && reply >= 0);
	}
	if (reply >= 0)
		send_status(reply, *status_r);
	incoming_close(&in);
	return true;
}

/* --- in a child: all, or the one that is waited for ---------------------------------------------------- */

static struct send_job *
open_job(struct intake *in)
{
	bool ok;
	struct send_job *job = send_job_open_in(&self, &in->options, in->route, &in->q->spool, &ok);

	if (ok)
		return job;
	log_error("%s", job->why.text);
	send_job_close(job);
	return NULL;
}

/* It waits when there is no room for it in q/: that of all, or its user's. Looked up before anything is read. */
static bool
has_room(const struct intake *in, const char *id, bool *told)
{
	const struct spool *spool = &in->q->spool;
	struct stat st;
	struct fail why;

	if (fstatat(spool->incoming, id, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return true;
	uint32_t uid = st.st_uid;
	if (spool_room(spool, st.st_size, st.st_size, &uid, &why) == 0)
		return true;
	if (!*told)
		log_error(SYSTEM_INCOMING "/%s: uid %lu: %s; it waits, as do others", id,
		    (unsigned long)st.st_uid, why.text);
	*told = true;
	return false;
}

struct batch {
	struct intake *in;
	const struct strs *ids;
};

static int
batch_main(void *arg)
{
	struct batch *b = arg;
	struct progress *p = b->in->progress;
	struct taking t = { .in = b->in };
	bool told = false;
	int status;

	system_drop();
	if ((t.job = open_job(b->in)) == NULL)
		return EX_CONFIG;
	for (size_t i = 0; i < b->ids->n && !signals_stop_seen(); i++) {
		t.id = b->ids->v[i];
		if (!has_room(b->in, t.id, &told))
			continue;
		memcpy(p->current, t.id, QUEUE_ID_BYTES);
		take_one(&t, false, &status);
		if ((t.stored || t.report) && p->earliest[0] == '\0')
			memcpy(p->earliest, t.id, QUEUE_ID_BYTES);
	}
	p->current[0] = '\0';
	send_job_close(t.job);
	/* before anything is tried: what is gone from q/ must not come back from incoming/ */
	incoming_sync(&b->in->q->spool);
	return EX_OK;
}

static int
waited_main(void *arg)
{
	struct waited *w = arg;
	struct taking t = { .in = w->in, .id = w->id };
	int status;

	system_drop();
	log_level_set(LOG_LEVEL_ERROR);
	if ((t.job = open_job(w->in)) == NULL)
		return EX_CONFIG;
	take_one(&t, true, &status);
	send_job_close(t.job);
	return t.report || (t.stored && t.options.delivery == DELIVERY_QUEUE) ? STATUS_LEFT : 0;
}

/* --- in the runner -------------------------------------------------------------------------------------- */

static int
fork_for(struct intake *in, struct child *child, int (*fn)(void *), void *arg, struct fail *why)
{
	const struct spool *s = &in->q->spool;
	int keep[] = { s->root, s->tmp, s->q, s->j, s->dest, s->corrupt, s->incoming };

	return child_fork(child, fn, arg, keep, sizeof(keep) / sizeof(keep[0]), why);
}

/* Its wait status; a stop is passed on. */
static int
wait_for(struct child *child, int64_t deadline, struct fail *why)
{
	int status = 0;

	if (child_wait(child, &status, deadline, why) == 0)
		return status;
	child_end(child, &status, STOP_MS);
	return status;
}

static void
note_left(struct intake *in, const char *id)
{
	if (in->left[0] == '\0' || strcmp(id, in->left) < 0)
		memcpy(in->left, id, QUEUE_ID_BYTES);
}

/* Whether it was the submission's doing: then the next child would fare no better. */
static bool
crashed(int status)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGSYS };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (WIFSIGNALED(status) && WTERMSIG(status) == signals[i])
			return true;
	return false;
}

static void
died(struct intake *in, const char *id, int status)
{
	struct fail why;

	fail_set(&why, FAIL_QUEUE_FILE,
	    SYSTEM_INCOMING "/%s: the child that read it died (wait status %d)", id, status);
	incoming_set_aside(&in->q->spool, id, &why);
}

static void
waited_fiber(void *arg)
{
	struct waited *w = arg, **at;
	struct intake *in = w->in;
	int status = wait_for(&w->child, DEADLINE_NEVER, NULL);

	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_LEFT) {
		note_left(in, w->id);
		spool_wake(in->wake, SPOOL_WAKE_INCOMING);
	} else if (crashed(status)) {
		died(in, w->id, status);
	}
	for (at = &in->waited; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	free(w);
	in->children--;
	io_wake(&in->done, -1);
}

static bool
is_waited(const struct intake *in, const char *id)
{
	for (const struct waited *w = in->waited; w != NULL; w = w->next)
		if (strcmp(w->id, id) == 0)
			return true;
	return false;
}

static int
start_waited(struct intake *in, const char *id, struct fail *why)
{
	struct waited *w = mem_alloc(sizeof(*w));

	w->in = in;
	memcpy(w->id, id, QUEUE_ID_BYTES);
	if (fork_for(in, &w->child, waited_main, w, why) != 0) {
		free(w);
		return -1;
	}
	w->next = in->waited;
	in->waited = w;
	in->children++;
	if (fiber_spawn(waited_fiber, w, "waited submission", DEADLINE_NEVER, why) == 0)
		return 0;
	waited_fiber(w);
	return -1;
}

static int
take_batch(struct intake *in, const struct strs *ids, struct fail *why)
{
	struct batch b = { in, ids };
	struct child child;

	memset(in->progress, 0, sizeof(*in->progress));
	if (fork_for(in, &child, batch_main, &b, why) != 0)
		return -1;
	fail_clear(why);
	int status = wait_for(&child, DEADLINE_NEVER, why);
	if (crashed(status) && in->progress->current[0] != '\0') {
		died(in, in->progress->current, status);
		incoming_sync(&in->q->spool);
	}
	if (in->progress->earliest[0] != '\0')
		note_left(in, in->progress->earliest);
	return why->code == FAIL_NONE ? 0 : -1;
}

/* Less than the id, and more than all that are less than it in another character than the last. */
static void
before(const char *id, char after_r[QUEUE_ID_BYTES])
{
	memcpy(after_r, id, QUEUE_ID_BYTES);
	after_r[QUEUE_ID_BYTES - 2] = '\0';
}

int
intake_take(struct intake *in, char after_r[QUEUE_ID_BYTES], struct fail *why)
{
	struct strs plain, replies;
	struct arena arena;

	arena_init(&arena);
	int rc = incoming_names(&in->q->spool, &arena, &plain, &replies, why);
	for (size_t i = 0; i < replies.n && rc == 0; i++) {
		if (is_waited(in, replies.v[i]))
			continue;
		if (in->children < INTAKE_WAITED)
			rc = start_waited(in, replies.v[i], why);
		else
			strs_add(&plain, &arena, replies.v[i]);
	}
	if (rc == 0 && plain.n > 0)
		rc = take_batch(in, &plain, why);
	before(in->left, after_r);
	in->left[0] = '\0';
	arena_free(&arena);
	return rc;
}

void
intake_join(struct intake *in)
{
	io_join(&in->done, &in->children);
}

struct intake *
intake_new(struct queue_command *q, struct route *route, int wake, struct fail *why)
{
	struct intake *in = mem_alloc(sizeof(*in));
	void *page = mmap(
	    NULL, sizeof(*in->progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	in->q = q;
	in->route = route;
	in->wake = wake;
	waitq_init(&in->done);
	arena_init(&in->arena);
	if (page == MAP_FAILED) {
		fail_errno(why, FAIL_OS, "mmap");
	} else if (command_config(
		       &cmd_send, q->options->config, NULL, &in->arena, &in->options, why) == 0) {
		in->progress = page;
		q->spool.bounds = in->options.bounds;
		in->options.maildomain = q->options->maildomain != NULL ? q->options->maildomain
									: in->options.maildomain;
		return in;
	} else {
		munmap(page, sizeof(*in->progress));
	}
	arena_free(&in->arena);
	free(in);
	return NULL;
}

void
intake_free(struct intake *in)
{
	munmap(in->progress, sizeof(*in->progress));
	arena_free(&in->arena);
	free(in);
}
