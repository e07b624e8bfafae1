#include "app/identity.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "dns/dns.h"

#define FILE_BYTES (64 * 1024) /* of /etc/hosts and /etc/mailname; the rest is not looked at */

static bool
ends_in(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && strcmp(name + n - m, suffix) == 0 && (n == m || name[n - m - 1] == '.');
}

/* The name if it can be a host's name everywhere, else NULL. */
static const char *
qualified(const char *name, struct arena *arena)
{
	const char *fqdn = dns_name_normalize(name, arena, NULL);

	if (fqdn == NULL || strchr(fqdn, '.') == NULL || ends_in(fqdn, "localhost") ||
	    ends_in(fqdn, "localdomain") || ends_in(fqdn, "arpa"))
		return NULL;
	return fqdn;
}

/* The first line of *text, which is moved behind it. */
static struct slice
next_line(struct slice *text)
{
	size_t n = slice_find(*text, '\n');
	struct slice line = slice_sub(*text, 0, n);

	*text = slice_sub(*text, n + 1, text->n);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return slice_trim(line);
}

const char *
identity_mailname_parse(struct slice text, struct arena *arena)
{
	struct slice line = next_line(&text);

	if (line.n == 0 || memchr(line.p, '\0', line.n) != NULL)
		return NULL;
	return dns_name_normalize(arena_slice(arena, line), arena, NULL);
}

const char *
identity_hosts_find(struct slice text, const char *name, struct arena *arena)
{
	while (text.n > 0) {
		struct slice line = next_line(&text), word;
		const char *found = NULL;
		bool match = false;

		line.n = slice_find(line, '#');
		slice_word(&line); /* the address */
		while ((word = slice_word(&line)).n > 0) {
			match |= slice_is_case(word, name);
			if (found == NULL && memchr(word.p, '\0', word.n) == NULL)
				found = qualified(arena_slice(arena, word), arena);
		}
		if (match && found != NULL)
			return found;
	}
	return NULL;
}

static void
read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;
	char *to;

	buf_init(out, FILE_BYTES);
	if (fd < 0)
		return;
	while ((to = buf_reserve(out, 4096)) != NULL && (n = read(fd, to, 4096)) > 0)
		buf_commit(out, (size_t)n);
	close(fd);
}

static const char *
kernel_name(struct arena *arena)
{
	char name[HOST_NAME_MAX + 1];

	if (gethostname(name, sizeof(name)) != 0)
		return NULL;
	name[sizeof(name) - 1] = '\0';
	return dns_name_normalize(name, arena, NULL);
}

static const char *
find_hostname(struct arena *arena)
{
	const char *name = kernel_name(arena), *found;
	struct buf hosts;

	if (name == NULL || strchr(name, '.') != NULL)
		return name == NULL ? NULL : qualified(name, arena);
	read_file("/etc/hosts", &hosts);
	found = identity_hosts_find(slice_make(hosts.data, hosts.len), name, arena);
	buf_free(&hosts);
	return found;
}

const char *
identity_hostname(struct arena *arena)
{
	static char *known; /* it is asked for several times, and does not change while we run */
	static bool looked;

	if (!looked) {
		const char *name = find_hostname(arena);
		known = name == NULL ? NULL : mem_strdup(name);
		looked = true;
	}
	return known == NULL ? NULL : arena_strdup(arena, known);
}

const char *
identity_nodename(struct arena *arena)
{
	const char *name = kernel_name(arena);

	return name != NULL ? name : "localhost";
}

const char *
identity_maildomain(struct arena *arena)
{
	struct buf text;

	read_file("/etc/mailname", &text);
	const char *name = identity_mailname_parse(slice_make(text.data, text.len), arena);
	buf_free(&text);
	return name != NULL ? name : identity_hostname(arena);
}

const char *
identity_login(uid_t uid, struct arena *arena)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL && pw->pw_name != NULL && pw->pw_name[0] != '\0')
		return arena_strdup(arena, pw->pw_name);
	return arena_printf(arena, "uid%lu", (unsigned long)uid);
}

const char *
identity_gecos_parse(const char *gecos, const char *login, struct arena *arena)
{
	struct buf out;
	const char *name = NULL;

	buf_init(&out, 1024);
	for (; *gecos != '\0' && *gecos != ','; gecos++) {
		if (*gecos == '&' && login[0] != '\0') {
			buf_putc(&out, text_upper(login[0]));
			buf_puts(&out, login + 1);
		} else {
			buf_putc(&out, *gecos);
		}
	}
	if (out.len > 0)
		name = arena_strdup(arena, buf_str(&out));
	buf_free(&out);
	return name;
}

const char *
identity_full_name(uid_t uid, struct arena *arena)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw == NULL || pw->pw_gecos == NULL || pw->pw_name == NULL)
		return NULL;
	return identity_gecos_parse(pw->pw_gecos, pw->pw_name, arena);
}
