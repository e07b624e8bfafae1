#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "app/message/header.h"
#include "app/queue/system.h"
#include "app/send/alias.h"
#include "app/send/alias_program.h"
#include "app/store/local.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"

/* Programs and files of aliases. */

#define OUR_GROUP "mxtls" /* has the spool of the system */

static int
find_writer(const struct local *local, struct arena *arena, struct local_writer *writer_r,
    const char **home_r, struct fail *why)
{
	const char *name = local->alias_user != NULL ? local->alias_user : "nobody";
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL)
		return fail_set(why, FAIL_CONFIG, "alias-user: no user %.100s here", name);
	writer_r->name = arena_strdup(arena, pw->pw_name);
	writer_r->uid = pw->pw_uid;
	writer_r->gid = pw->pw_gid;
	*home_r = arena_strdup(arena, pw->pw_dir);
	const struct group *ours = getgrnam(OUR_GROUP);
	if (writer_r->uid == 0 || writer_r->gid == 0 ||
	    (ours != NULL && ours->gr_gid == writer_r->gid))
		return fail_set(why, FAIL_CONFIG,
		    "alias-user %.100s: programs and files of aliases are never those of root, nor "
		    "of group " OUR_GROUP,
		    name);
	if (geteuid() != 0 && !system_has_root())
		return fail_set(why, FAIL_LOCAL_DELIVERY,
		    "programs and files of aliases need a process that was started as root, "
		    "which becomes %s for them",
		    writer_r->name);
	return 0;
}

/* The header section of the message. */
static int
read_header(const struct message *message, struct buf *section, struct fail *why)
{
	struct message_reader reader;
	char chunk[4096];
	size_t n = 1;

	message_reader_init(&reader, message);
	while (n > 0 && (int64_t)section->len < message->header_bytes) {
		if (message_reader_next(&reader, chunk, sizeof(chunk), &n, why) != 0)
			return -1;
		buf_append(section, chunk, n);
	}
	if ((int64_t)section->len > message->header_bytes)
		section->len = (size_t)message->header_bytes;
	/* without its empty line */
	if (section->len >= 4 && memcmp(section->data + section->len - 4, "\r\n\r\n", 4) == 0)
		section->len -= 2;
	return 0;
}

/* A message that was delivered by this alias before comes back: a program or a forward has sent it here. */
static int
check_loop(const struct message *message, const char *delivered_to, struct fail *why)
{
	struct header header;
	struct arena arena;
	struct buf section;

	arena_init(&arena);
	buf_init(&section, 2 * LIMIT_HEADER_BYTES);
	int rc = read_header(message, &section, why);
	if (rc == 0) {
		header_parse(slice_make(section.data, section.len), &arena, &header);
		for (size_t i = 0; i < header.n && rc == 0; i++)
			if (slice_is_case(header.v[i].name, "Delivered-To") &&
			    slice_is_case(slice_trim(header.v[i].value), delivered_to))
				rc = fail_set(why, FAIL_ALIAS_LOOP,
				    "the message was at alias %s before", delivered_to);
	}
	buf_free(&section);
	arena_free(&arena);
	return rc;
}

static int
check_allowed(const struct local *local, const struct aliases *aliases,
    const struct alias_entry *entry, const struct alias_value *value, struct fail *why)
{
	bool program = value->kind == ALIAS_PROGRAM;

	if (!(program ? local->alias_programs : local->alias_files))
		return fail_set(why, FAIL_LOCAL_DELIVERY, "%s:%u: needs %s = yes in mxtls.conf",
		    aliases->file, entry->line, program ? "alias-programs" : "alias-files");
	if (!aliases->trusted)
		return fail_set(why, FAIL_LOCAL_DELIVERY,
		    "%s: a program or file counts only in an alias file that belongs to root and "
		    "that nobody else may write to",
		    aliases->file);
	return 0;
}

static int
deliver_value(const struct local *local, const struct message *message,
    const struct alias_entry *entry, const struct alias_value *value, struct arena *arena,
    char enhanced_r[16], int64_t deadline, struct fail *why)
{
	const char *here = local->domains.n > 0 ? local->domains.v[0] : "localhost";
	const char *home = NULL;
	const char *to = arena_printf(arena, "%s@%s", entry->name, here);
	struct local_writer writer;

	if (value->kind == ALIAS_FILE && strcmp(value->text, "/dev/null") == 0)
		return 0;
	if (find_writer(local, arena, &writer, &home, why) != 0 ||
	    check_loop(message, to, why) != 0)
		return -1;
	if (value->kind == ALIAS_FILE)
		return local_deliver_file(&writer, message, value->text, to, deadline, why);
	struct alias_program p = { .command = value->text,
		.name = entry->name,
		.recipient = to,
		.user = writer.name,
		.home = home,
		.uid = writer.uid,
		.gid = writer.gid,
		.message = message };
	return alias_program_run(&p, arena, enhanced_r, deadline, why);
}

int
local_deliver_alias(const struct local *local, const struct message *message,
    const char *local_part, struct arena *arena, const char **place_r, char enhanced_r[16],
    int64_t deadline, struct fail *why)
{
	const struct alias_entry *entry;
	const struct alias_value *value;
	struct aliases aliases;

	*place_r = NULL;
	enhanced_r[0] = '\0';
	if (local->aliases == NULL)
		return fail_set(why, FAIL_NO_USER, "no alias file is set");
	if (aliases_load(local->aliases, &aliases, why) != 0)
		return -1;
	int rc = -1;
	value = aliases_find_value(&aliases, local_part, &entry);
	if (value == NULL)
		fail_set(
		    why, FAIL_NO_USER, "%s has no such program or file (any more)", aliases.file);
	else if (check_allowed(local, &aliases, entry, value, why) == 0)
		rc = deliver_value(local, message, entry, value, arena, enhanced_r, deadline, why);
	if (value != NULL)
		*place_r = arena_printf(
		    arena, "%s%s", value->kind == ALIAS_PROGRAM ? "|" : "", value->text);
	aliases_free(&aliases);
	return rc;
}
