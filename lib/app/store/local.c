#include "app/store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/aside.h"
#include "app/queue/system.h"
#include "app/store/maildir.h"
#include "app/store/mbox.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/user.h"
#include "smtp/address.h"

#define CHUNK_BYTES 16384
#define MBOX_DIR "/var/mail"

/* --- settings ------------------------------------------------------------------------------------ */

int
local_parse(const char *text, struct arena *arena, struct local *local_r, struct fail *why)
{
	size_t n = strcspn(text, ":");
	const char *rest = text[n] == ':' ? text + n + 1 : NULL;
	struct slice word = slice_make(text, n);

	memset(local_r, 0, sizeof(*local_r));
	if (slice_is(word, "mbox")) {
		local_r->kind = LOCAL_MBOX;
		local_r->dir = rest != NULL ? rest : MBOX_DIR;
	} else if (slice_is(word, "maildir")) {
		local_r->kind = LOCAL_MAILDIR;
		local_r->dir = rest;
	} else if (slice_is(word, "lmtp") && rest != NULL) {
		local_r->kind = LOCAL_LMTP;
		return lmtp_target_parse(arena_strdup(arena, rest), &local_r->lmtp, why);
	} else {
		return fail_set(why, FAIL_USAGE,
		    "\"%.100s\": expected mbox, mbox:DIR, maildir, maildir:DIR, lmtp:unix:PATH or "
		    "lmtp:ADDRESS:PORT",
		    text);
	}
	if (local_r->dir != NULL && local_r->dir[0] != '/')
		return fail_set(
		    why, FAIL_USAGE, "\"%.100s\": the folder must be an absolute path", text);
	return 0;
}

bool
local_is_domain(const struct local *local, const char *domain)
{
	struct slice d = slice_str(domain);

	if (slice_is_case(d, "localhost") || slice_is_case(d, "localhost.localdomain"))
		return true;
	for (size_t i = 0; local != NULL && i < local->domains.n; i++)
		if (slice_is_case(d, local->domains.v[i]))
			return true;
	return false;
}

bool
local_becomes_users(const struct local *local)
{
	return local->kind == LOCAL_MBOX || local->kind == LOCAL_MAILDIR || local->alias_programs ||
	       local->alias_files;
}

/* --- users --------------------------------------------------------------------------------------- */

/* The user database's record for a local part: as it is, in lower case, without +detail. */
static const struct passwd *
find_user(const char *local_part)
{
	char name[LIMIT_LOCAL_PART_BYTES + 1] = "";
	const struct passwd *pw = NULL;
	struct buf meaning;

	buf_init(&meaning, LIMIT_LOCAL_PART_BYTES);
	if (smtp_local_unquote(&meaning, slice_str(local_part)) == 0)
		memcpy(name, buf_str(&meaning), meaning.len + 1);
	buf_free(&meaning);
	if (name[0] == '\0' || strchr(name, '/') != NULL)
		return NULL;
	if ((pw = getpwnam(name)) == NULL) {
		text_lower_str(name);
		pw = getpwnam(name);
	}
	char *plus = strchr(name, '+');
	if (pw == NULL && plus != NULL && plus > name) {
		*plus = '\0';
		pw = getpwnam(name);
	}
	return pw;
}

bool
local_has_user(const struct local *local, const char *local_part)
{
	return local->kind == LOCAL_LMTP || find_user(local_part) != NULL;
}

/* --- one mailbox --------------------------------------------------------------------------------- */

struct delivery {
	const struct local *local;
	const struct message *message;
	const char *mailbox, *path, *name, *home;
	uid_t uid;
	gid_t gid;
	bool become; /* another user's: by a child that has become it */
	bool alone;  /* with its own group only */
	int64_t deadline;
};

static void
make_head(const struct delivery *d, struct buf *out)
{
	buf_printf(
	    out, "Return-Path: <%s>\r\nDelivered-To: %s\r\n", d->message->sender, d->mailbox);
}

typedef int write_fn(void *to, struct slice text, struct fail *why);

static int
write_mbox(void *to, struct slice text, struct fail *why)
{
	return mbox_write(to, text, why);
}

static int
write_maildir(void *to, struct slice text, struct fail *why)
{
	return maildir_write(to, text, why);
}

static int
copy_text(const struct message *message, write_fn *write, void *to, struct fail *why)
{
	struct message_reader reader;
	char *chunk = mem_alloc(CHUNK_BYTES);
	size_t n = 1;
	int rc = 0;

	message_reader_init(&reader, message);
	while (rc == 0 && n > 0) {
		rc = message_reader_next(&reader, chunk, CHUNK_BYTES, &n, why);
		if (rc == 0 && n > 0)
			rc = write(to, slice_make(chunk, n), why);
	}
	free(chunk);
	return rc;
}

static int
to_mbox(const struct delivery *d, struct slice head, struct fail *why)
{
	struct mbox_file f;

	if (mbox_begin(
		&f, d->path, true, d->message->sender, clock_wall(), head, d->deadline, why) != 0)
		return -1;
	if (copy_text(d->message, write_mbox, &f, why) != 0) {
		mbox_abort(&f);
		return -1;
	}
	return mbox_commit(&f, why);
}

static int
to_maildir(const struct delivery *d, struct slice head, struct fail *why)
{
	struct maildir md;
	struct maildir_file f, *files[1] = { &f };
	int rc = -1;

	if (maildir_open(&md, d->path, why) != 0)
		return -1;
	if (maildir_create(&f, &md, head, why) == 0) {
		if (copy_text(d->message, write_maildir, &f, why) != 0)
			maildir_abort(&f);
		else
			rc = maildir_commit(files, 1, NULL, d->deadline, why);
	}
	maildir_close(&md);
	return rc;
}

static int
write_mailbox(const struct delivery *d, struct fail *why)
{
	struct buf head;

	buf_init(&head, 4 * LIMIT_PATH_BYTES + 64);
	make_head(d, &head);
	struct slice h = slice_make(head.data, head.len);
	int rc = d->local->kind == LOCAL_MBOX ? to_mbox(d, h, why) : to_maildir(d, h, why);
	buf_free(&head);
	return rc;
}

/* --- another user's ------------------------------------------------------------------------------ */

static int
write_as_user(void *arg, struct fail *why)
{
	const struct delivery *d = arg;
	struct user user = { d->uid, d->gid };

	umask(077);
	if (system_raise(why) != 0 || user_become(&user, d->alone ? NULL : d->name, why) != 0)
		return -1;
	return write_mailbox(d, why);
}

/*
 * Users may not make files in the mail folder: an empty mailbox is made for them, as useradd does.
 */
static int
make_mbox(const struct delivery *d, struct fail *why)
{
	int fd = open(d->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? 0 : fail_errno(why, FAIL_CANT_CREATE, "%s", d->path);
	const struct group *mail = getgrnam("mail");
	int rc = fchown(fd, d->uid, mail != NULL ? mail->gr_gid : d->gid);
	if (rc == 0 && mail != NULL)
		rc = fchmod(fd, 0660);
	if (rc != 0) {
		fail_errno(why, FAIL_CANT_CREATE, "%s", d->path);
		unlink(d->path);
	}
	close(fd);
	return rc;
}

static int
by_child(struct delivery *d, struct fail *why)
{
	if (d->local->kind == LOCAL_MBOX && !d->alone) {
		if (system_raise(why) != 0)
			return -1;
		int rc = make_mbox(d, why);
		system_lower();
		if (rc != 0)
			return -1;
	}
	return aside_run(write_as_user, d, &d->message->text.fd, 1, "delivers to another user",
	    d->deadline, why);
}

int
local_deliver(const struct local *local, const struct message *message, const char *mailbox,
    const char *local_part, struct arena *arena, const char **place_r, int64_t deadline,
    struct fail *why)
{
	const struct passwd *pw = find_user(local_part);

	*place_r = NULL;
	if (pw == NULL)
		return fail_set(why, FAIL_NO_USER, "no user %.100s here", local_part);
	struct delivery d = { .local = local,
		.message = message,
		.mailbox = mailbox,
		.name = arena_strdup(arena, pw->pw_name),
		.uid = pw->pw_uid,
		.gid = pw->pw_gid,
		.become = pw->pw_uid != geteuid(),
		.deadline = deadline };
	d.path = local->dir != NULL ? arena_printf(arena, "%s/%s", local->dir, d.name)
				    : arena_printf(arena, "%s/Maildir", pw->pw_dir);
	*place_r = d.path;
	if (!d.become)
		return write_mailbox(&d, why);
	if (geteuid() != 0 && !system_has_root())
		return fail_set(why, FAIL_LOCAL_DELIVERY,
		    "mail for user %s waits for a queue runner that was started as root; or set "
		    "local = "
		    "lmtp:... in mxtls.conf",
		    d.name);
	return by_child(&d, why);
}

int
local_deliver_file(const struct local_writer *writer, const struct message *message,
    const char *path, const char *delivered_to, int64_t deadline, struct fail *why)
{
	bool maildir = path[0] != '\0' && path[strlen(path) - 1] == '/';
	struct local local = { .kind = maildir ? LOCAL_MAILDIR : LOCAL_MBOX };
	struct delivery d = { .local = &local,
		.message = message,
		.mailbox = delivered_to,
		.path = path,
		.name = writer->name,
		.uid = writer->uid,
		.gid = writer->gid,
		.become = true,
		.alone = true,
		.deadline = deadline };

	return by_child(&d, why);
}
