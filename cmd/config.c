#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "app/store/places.h"
#include "base/buf.h"
#include "base/conf.h"
#include "base/limits.h"
#include "command.h"

static int
read_file(const char *path, struct buf *out, struct fail *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = 0;
	char *to = NULL;

	if (fd < 0)
		return fail_errno(why, FAIL_CONFIG, "%s", path);
	while ((to = buf_reserve(out, 4096)) != NULL && (n = read(fd, to, 4096)) > 0)
		buf_commit(out, (size_t)n);
	int rc = to == NULL ? fail_set(why, FAIL_CONFIG, "%s: longer than %d bytes", path,
				  LIMIT_CONFIG_BYTES)
		 : n < 0    ? fail_errno(why, FAIL_CONFIG, "%s", path)
			    : 0;
	close(fd);
	return rc;
}

/* The commands whose settings the file may hold. */
static const struct conf_command *
tables(struct arena *arena)
{
	struct conf_command *list;
	size_t n = 0, at = 0;

	while (commands[n] != NULL)
		n++;
	list = arena_alloc(arena, (n + 1) * sizeof(*list));
	for (size_t i = 0; i < n; i++)
		if (commands[i]->config)
			list[at++] = (struct conf_command){ commands[i]->name, commands[i]->opts };
	return list;
}

int
command_config(const struct command *command, const char *path, const void *given,
    struct arena *arena, void *options, struct fail *why)
{
	struct conf conf;
	struct buf text;

	opt_init(command->opts, options, command->options_size, arena);
	if (path == NULL && (path = places_config("mxtls.conf", arena)) == NULL)
		return 0;
	buf_init(&text, LIMIT_CONFIG_BYTES);
	int rc = read_file(path, &text, why);
	if (rc == 0)
		rc = conf_parse(path, slice_make(text.data, text.len), arena, &conf, why);
	if (rc == 0)
		rc = conf_apply(&conf, tables(arena), command->name, given, arena, options, why);
	buf_free(&text);
	return rc;
}
