#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/send/explain.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "io/sched.h"
#include "io/signals.h"
#include "send_job.h"

/*
 * sendmail -bv: what would become of addresses, in sendmail's words, a line for each address that they end
 * in, and below it what `mxtls policy explain` tells of it. Nothing is sent.
 */
struct verify {
	struct send_job *job;
	const struct strs *operands;
	struct buf out;
	int status;
};

static void
worse(struct verify *v, int status)
{
	if (v->status == EX_OK || status == EX_TEMPFAIL)
		v->status = status;
	else if (status != EX_OK && status != v->status && v->status != EX_TEMPFAIL)
		v->status = EX_UNAVAILABLE;
}

/* "ADDRESS... what" */
static void
say(struct verify *v, const char *address, const char *what, const char *more)
{
	text_escape(&v->out, slice_str(address), LIMIT_LOG_LINE_BYTES);
	buf_printf(&v->out, "... %s", what);
	text_escape(&v->out, slice_str(more), LIMIT_LOG_LINE_BYTES);
	buf_putc(&v->out, '\n');
}

static void
say_fail(struct verify *v, const char *address, const struct fail *why)
{
	const struct fail_info *info = fail_info(why->code);

	say(v, address,
	    info->enhanced[0] == '4'         ? "kept for now: "
	    : why->code == FAIL_NO_USER      ? "User unknown: "
	    : info->exit_status == EX_NOHOST ? "Host unknown: "
					     : "not deliverable: ",
	    why->text);
	worse(v, info->exit_status);
}

/* --- users of this host ---------------------------------------------------------------------------- */

static void
verify_alias(struct verify *v, const struct message_recipient *r)
{
	const struct alias_entry *entry;
	const struct alias_value *value = aliases_find_value(&v->job->aliases, r->local, &entry);
	struct fail why;

	if (value == NULL) {
		fail_set(&why, FAIL_NO_USER, "no program or file of an alias");
		say_fail(v, r->original, &why);
		return;
	}
	const char *to = arena_printf(&v->job->arena, "%s%s",
	    value->kind == ALIAS_PROGRAM ? "prog, user |" : "*file*, user ", value->text);
	say(v, r->original, "deliverable: mailer ", to);
	buf_printf(&v->out, "  by %s:%u, as %s\n", v->job->aliases.file, entry->line,
	    v->job->options->route.alias_user);
}

static void
verify_user(struct verify *v, const struct message_recipient *r)
{
	static const char *const kinds[] = { "", "mbox in ", "maildir in ", "LMTP" };
	const struct local *local = &v->job->route->local;
	struct fail why;

	if (local->kind == LOCAL_NONE) {
		fail_set(&why, FAIL_LOCAL_DELIVERY, "%s", LOCAL_ADVICE);
		say_fail(v, r->mailbox, &why);
	} else if (!local_has_user(local, r->local)) {
		fail_set(&why, FAIL_NO_USER, "no user %.100s here", r->local);
		say_fail(v, r->mailbox, &why);
	} else {
		say(v, r->mailbox, "deliverable: mailer local, user ", r->local);
		buf_printf(&v->out, "  %s%s\n", kinds[local->kind],
		    local->kind == LOCAL_LMTP ? ""
		    : local->dir != NULL      ? local->dir
					      : "the user's home folder");
	}
}

/* --- everybody else --------------------------------------------------------------------------------- */

static void
verify_remote(struct verify *v, const struct message_recipient *r, struct arena *arena)
{
	struct explain_options options = { .deliver = &v->job->route->deliver,
		.require_tls = v->job->options->requiretls };
	int64_t deadline = clock_deadline(v->job->options->deadline_ms);
	struct explain e;
	struct fail why;

	if (explain(&options, r->mailbox, arena, &e, deadline, &why) != 0) {
		say_fail(v, r->mailbox, &why);
		return;
	}
	const char *host = e.effective.via_host != NULL ? e.effective.via_host : e.domain;
	if (e.exit_status == EX_OK)
		say(v, r->mailbox, "deliverable: mailer ",
		    arena_printf(arena, "%s, host %s, user %s",
			e.effective.via_host != NULL ? "relay" : "esmtp", host, r->mailbox));
	else if (e.exit_status == EX_NOHOST)
		say(v, r->mailbox, "Host unknown: ", e.why.text);
	else
		say(v, r->mailbox,
		    e.exit_status == EX_TEMPFAIL ? "kept for now: " : "not deliverable: ",
		    e.why.text);
	worse(v, e.exit_status);
	/* its first line has the address again, which we have said */
	struct buf more;
	buf_init(&more, LIMIT_RECORD_BYTES);
	explain_text(&e, &more);
	struct slice text = slice_make(more.data, more.len);
	size_t at = strlen(e.text);
	buf_puts(&v->out, " ");
	text = slice_sub(text, at < text.n ? slice_find(text, ':') + 1 : 0, text.n);
	buf_append(&v->out, text.p, text.n);
	buf_free(&more);
}

static void
verify_one(struct verify *v, const char *given)
{
	struct message message;
	struct arena arena;
	struct fail why;

	arena_init(&arena);
	int rc = send_job_recipients(v->job, given, &message, &why);
	for (size_t i = 0; i < message.problem_n; i++) {
		say(v, message.problems[i].text, "not deliverable: ", message.problems[i].why);
		worse(v, EX_DATAERR);
	}
	if (rc != 0 && message.problem_n == 0)
		say_fail(v, given, &why);
	for (size_t i = 0; rc == 0 && i < message.recipient_n; i++) {
		const struct message_recipient *r = &message.recipients[i];
		const struct local *local = &v->job->route->local;
		bool here = !r->literal &&
			    local_is_domain(local->kind != LOCAL_NONE ? local : NULL, r->domain);
		if (here && aliases_is_value_name(r->local))
			verify_alias(v, r);
		else if (here)
			verify_user(v, r);
		else
			verify_remote(v, r, &arena);
	}
	arena_free(&message.arena);
	arena_free(&arena);
}

static void
verify_main(void *arg)
{
	struct verify *v = arg;

	signals_stop_on(1000);
	for (size_t i = 0; i < v->operands->n && !ferror(stdout); i++) {
		buf_reset(&v->out);
		verify_one(v, v->operands->v[i]);
		printf("%s", buf_str(&v->out));
	}
}

int
send_verify(
    const struct command *self, const struct send_options *options, const struct strs *operands)
{
	struct verify v = { .operands = operands };
	struct send_options read_only = *options;
	bool ok;

	if (operands->n == 0)
		return command_usage_error(self, "-bv: expected addresses");
	/* a look stores nothing, so it needs no queue either */
	read_only.route.read_only = true;
	read_only.no_queue = true;
	v.job = send_job_open(self, &read_only, &ok);
	buf_init(&v.out, 4 * LIMIT_RECORD_BYTES);
	if (!ok)
		v.status = command_fail(self, &v.job->why);
	else
		sched_run(verify_main, &v);
	buf_free(&v.out);
	send_job_close(v.job);
	return v.status;
}
