#include "probe_save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/probe/pem.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "io/sched.h"

int
probe_save_open(struct probe_save *save, const char *path, struct fail *why)
{
	*save = (struct probe_save){ .dir = path, .fd = -1 };
	if (path == NULL)
		return 0;
	save->to_stdout = strcmp(path, "-") == 0;
	if (save->to_stdout)
		return 0;
	if (mkdir(path, 0777) != 0 && errno != EEXIST)
		return fail_errno(
		    why, FAIL_CANT_CREATE, "option --pem: cannot make folder %s", path);
	save->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (save->fd < 0)
		return fail_errno(why, FAIL_CANT_CREATE, "option --pem: folder %s", path);
	if (faccessat(save->fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return fail_errno(
		    why, FAIL_CANT_CREATE, "option --pem: cannot write into folder %s", path);
	return 0;
}

static int
write_file(
    const struct probe_save *save, const char *name, const struct buf *text, struct fail *why)
{
	if (file_replace(save->fd, name, text->data, text->len) == 0)
		return 0;
	return fail_errno(why,
	    errno == ENOSPC || errno == EDQUOT ? FAIL_STORAGE_FULL : FAIL_STORAGE,
	    "cannot write %s/%s", save->dir, name);
}

/* A reader that went away needs no more chains; main tells of other trouble. */
static void
write_stdout(struct probe_save *save, const struct buf *text)
{
	if (save->failed ||
	    (fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0))
		return;
	save->failed = true;
	sched_stop(clock_ms());
}

static int
save_chain(struct probe_save *save, const struct target_facts *facts,
    const struct exchange_facts *mx, const struct host_facts *host, const struct tls_facts *tls,
    struct fail *why)
{
	char name[PROBE_PEM_NAME_BYTES];
	struct buf text;
	int ret = 0;

	buf_init(&text, LIMIT_RECORD_BYTES);
	if (probe_pem_write(facts, mx, host, tls, &text)) {
		probe_pem_name(facts, mx, host, tls, name);
		if (save->to_stdout)
			write_stdout(save, &text);
		else
			ret = write_file(save, name, &text, why);
	}
	buf_free(&text);
	return ret;
}

int
probe_save_add(struct probe_save *save, const struct target_facts *facts, struct fail *why)
{
	if (save->dir == NULL || save->failed)
		return 0;
	for (size_t i = 0; i < facts->exchanges_n; i++) {
		const struct exchange_facts *mx = &facts->exchanges[i];
		for (size_t j = 0; j < mx->hosts_n; j++)
			for (size_t k = 0; k < mx->hosts[j].tls_n; k++)
				if (save_chain(save, facts, mx, &mx->hosts[j], &mx->hosts[j].tls[k],
					why) != 0) {
					save->failed = true;
					return -1;
				}
	}
	return 0;
}

void
probe_save_close(struct probe_save *save)
{
	if (save->dir != NULL && save->fd >= 0)
		close(save->fd);
}
