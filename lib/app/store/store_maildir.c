#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/store/store.h"
#include "base/mem.h"
#include "base/text.h"

/*
 * Maildirs: one for all, or one for each recipient by the pattern DIR/%d/%u. No part of a path comes from a
 * client as it is: domains are accepted ones, users are listed ones, or folders that exist and whose name
 * is of a harmless kind (reference Q9).
 */
struct copies {
	struct maildir *maildirs; /* MAILDIRS: of each recipient */
	size_t maildirs_n;
	struct maildir_file *files;
	struct maildir_file **ptrs;
	size_t n;
};

/* --- which maildir ------------------------------------------------------------------------------- */

/* Letters, digits, and of the rest what is usual in names; no dot in front, so neither "." nor "..". */
static bool
is_harmless(const char *name)
{
	if (name[0] == '\0' || name[0] == '.' || name[0] == '-' || strlen(name) > 100)
		return false;
	for (const char *c = name; *c != '\0'; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
			strchr(".-_+=", *c) != NULL) &&
		    (unsigned char)*c < 0x80)
			return false;
	return true;
}

/* The pattern behind the fixed folder, with its placeholders filled in. */
static const char *
fill_in(const char *pattern, const char *domain, const char *user, struct buf *out)
{
	buf_reset(out);
	for (const char *c = pattern; *c != '\0'; c++) {
		if (*c == '%' && (c[1] == 'd' || c[1] == 'u'))
			buf_puts(out, *++c == 'd' ? domain : user);
		else
			buf_putc(out, *c);
	}
	return buf_str(out);
}

static bool
is_dir(const struct store *s, const char *path)
{
	struct stat st;

	return fstatat(s->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* The maildir of a mailbox below the root, in out; NULL: there is none, and none is made. */
static const char *
find_maildir(const struct store *s, const struct accept_name *name, struct buf *out)
{
	const char *pattern = s->dir;
	char user[sizeof(name->user)];

	if (!is_harmless(name->user) || !is_harmless(name->domain))
		return NULL;
	memcpy(user, name->user, sizeof(user));
	fill_in(pattern, name->domain, user, out);
	if (name->listed || is_dir(s, buf_str(out)))
		return buf_str(out);
	char *plus = strchr(user + 1, '+');
	if (plus == NULL)
		return NULL;
	*plus = '\0';
	fill_in(pattern, name->domain, user, out);
	return is_dir(s, buf_str(out)) ? buf_str(out) : NULL;
}

int
store_maildirs_open(struct store *s, const char *pattern, struct fail *why)
{
	size_t fixed = strcspn(pattern, "%");
	bool user = false;

	for (const char *c = strchr(pattern, '%'); c != NULL; c = strchr(c + 2, '%')) {
		if (c[1] != 'd' && c[1] != 'u')
			return fail_set(why, FAIL_USAGE,
			    "--deliver: maildir:%s: '%%%c' is not known: expected %%d (domain) "
			    "and %%u (user)",
			    pattern, c[1] == '\0' ? '%' : c[1]);
		user |= c[1] == 'u';
	}
	if (!user || fixed == 0 || pattern[fixed - 1] != '/' || strstr(pattern, "..") != NULL)
		return fail_set(why, FAIL_USAGE,
		    "--deliver: maildir:%s: expected a folder, and behind it %%d and %%u, as in "
		    "DIR/%%d/%%u",
		    pattern);
	s->kind = STORE_MAILDIRS;
	s->dir = arena_strdup(&s->arena, pattern + fixed);
	s->root = storage_root_open(arena_strndup(&s->arena, pattern, fixed), why);
	return s->root < 0 ? fail_prefix(why, "maildir") : 0;
}

static int
maildirs_rcpt(const struct store *s, const struct accept_name *name, const struct smtp_path *path,
    struct fail *why)
{
	struct buf out;

	if (s->kind != STORE_MAILDIRS)
		return 0;
	buf_init(&out, PATH_MAX);
	bool found = find_maildir(s, name, &out) != NULL;
	buf_free(&out);
	return found ? 0
		     : fail_set(why, FAIL_NO_USER, "No mailbox of <%.*s@%.*s> here",
			   (int)path->local.n, path->local.n == 0 ? "" : path->local.p,
			   (int)path->domain.n, path->domain.n == 0 ? "" : path->domain.p);
}

/* Folder by folder, none of them a link; the last one is the maildir. */
static int
open_below(int root, char *path, struct maildir *md, struct fail *why)
{
	int at = root, rc = 0;

	for (char *name = path, *slash; rc == 0 && name != NULL; name = slash) {
		bool made = false;
		slash = strchr(name, '/');
		if (slash != NULL)
			*slash++ = '\0';
		if (*name == '\0')
			continue;
		int fd = storage_dir_open(at, name, &made, why);
		if (fd < 0 || (made && fsync(at) != 0))
			rc = fd < 0 ? -1 : storage_fail(why, "fsync");
		if (at != root)
			close(at);
		at = fd;
	}
	if (rc == 0)
		rc = maildir_open_at(md, at, why);
	if (at != root && at >= 0)
		close(at);
	return rc;
}

static bool
is_for_clear(const struct store_mail *m)
{
	return m->store->clear_folder != NULL && !m->session->tls;
}

int
store_set_clear_folder(struct store *s, const char *spec, const char *name, struct fail *why)
{
	struct buf path;
	int rc = 0;

	if (s->kind != STORE_MAILDIR && s->kind != STORE_MAILDIRS)
		return fail_set(
		    why, FAIL_USAGE, "--clear-folder is for --deliver maildir:DIR, not '%s'", spec);
	/* one folder below the maildir, whatever the name says */
	if (name[0] == '\0' || name[0] == '.' || strlen(name) > 100 ||
	    strpbrk(name, "/:") != NULL || text_has_control(slice_str(name)))
		return fail_set(why, FAIL_USAGE,
		    "--clear-folder: '%s' is no name of a folder, such as Clear", name);
	s->clear_folder = arena_strdup(&s->arena, name);
	if (s->kind == STORE_MAILDIRS)
		return 0;
	buf_init(&path, PATH_MAX);
	buf_printf(&path, "%s/.%s", strchr(spec, ':') + 1, name);
	rc = maildir_open(&s->clear, buf_str(&path), why);
	buf_free(&path);
	return rc;
}

static int
open_one(
    const struct store_mail *m, const struct smtp_path *to, struct maildir *md, struct fail *why)
{
	const struct smtp_session *session = m->session;
	const struct store *s = m->store;
	struct accept_name name;
	struct buf path;
	int rc;

	if (accept_rcpt(s->accept, session->peer_known ? &session->peer : NULL, to, &name, why) !=
	    0)
		return -1;
	buf_init(&path, PATH_MAX);
	if (find_maildir(s, &name, &path) == NULL)
		rc = fail_set(why, FAIL_STORAGE, "the mailbox is gone");
	else
		rc = is_for_clear(m) && buf_printf(&path, "/.%s", s->clear_folder) != 0
			 ? fail_set(why, FAIL_STORAGE, "the name of the folder is too long")
			 : open_below(s->root, path.data, md, why);
	buf_free(&path);
	return rc;
}

/* --- the copies ---------------------------------------------------------------------------------- */

static void
copies_free(struct store_mail *m)
{
	struct copies *c = m->state;

	for (size_t i = 0; i < c->maildirs_n; i++)
		maildir_close(&c->maildirs[i]);
	free(c->maildirs);
	free(c->files);
	free(c->ptrs);
	free(c);
	m->state = NULL;
}

static void
maildir_mail_abort(struct store_mail *m)
{
	struct copies *c = m->state;

	for (size_t i = 0; i < c->n; i++)
		maildir_abort(&c->files[i]);
	copies_free(m);
}

static int
open_copy(struct store_mail *m, size_t i, struct fail *why)
{
	const struct smtp_path *to = &m->session->recipients[i];
	struct copies *c = m->state;
	struct maildir *md = is_for_clear(m) ? &m->store->clear : &m->store->maildir;
	struct buf head;

	if (m->store->kind == STORE_MAILDIRS) {
		md = &c->maildirs[i];
		if (open_one(m, to, md, why) != 0)
			return -1;
		c->maildirs_n = i + 1;
	}
	buf_init(&head, STORE_HEAD_BYTES);
	store_head(m, to, true, &head);
	int rc = maildir_create(&c->files[i], md, slice_make(head.data, head.len), why);
	buf_free(&head);
	if (rc != 0)
		return -1;
	c->ptrs[i] = &c->files[i];
	c->n = i + 1;
	return 0;
}

static int
maildir_mail_begin(struct store_mail *m, struct fail *why)
{
	size_t n = m->session->recipients_n;
	struct copies *c = mem_alloc(sizeof(*c));

	memset(c, 0, sizeof(*c));
	m->state = c;
	c->files = mem_array(n, sizeof(*c->files));
	c->ptrs = mem_array(n, sizeof(*c->ptrs));
	if (m->store->kind == STORE_MAILDIRS)
		c->maildirs = mem_array(n, sizeof(*c->maildirs));
	for (size_t i = 0; i < n; i++)
		if (open_copy(m, i, why) != 0) {
			maildir_mail_abort(m);
			return -1;
		}
	return 0;
}

static int
maildir_mail_text(struct store_mail *m, struct slice text, struct fail *why)
{
	struct copies *c = m->state;

	for (size_t i = 0; i < c->n; i++)
		if (maildir_write(&c->files[i], text, why) != 0)
			return -1;
	return 0;
}

static int
maildir_mail_end(struct store_mail *m, int64_t deadline, struct fail *why)
{
	struct copies *c = m->state;
	int rc = maildir_commit(c->ptrs, c->n, m->store->commit, deadline, why);

	copies_free(m);
	return rc;
}

const struct store_ops store_maildir_ops = {
	.name = "maildir",
	.rcpt = maildirs_rcpt,
	.begin = maildir_mail_begin,
	.text = maildir_mail_text,
	.end = maildir_mail_end,
	.abort = maildir_mail_abort,
};
