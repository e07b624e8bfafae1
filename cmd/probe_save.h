#ifndef PROBE_SAVE_H
#define PROBE_SAVE_H

#include <stdbool.h>

#include "base/facts.h"
#include "base/fail.h"

/*
 * --pem of mxtls probe: the chain of each handshake, to a file of its own or to standard output.
 * A file is written beside its name and renamed, so that whoever reads it finds the whole chain, the old
 * or the new one.
 */
struct probe_save {
	const char *dir; /* NULL: not asked for */
	bool to_stdout;  /* "-" */
	int fd;          /* of the folder, -1 otherwise */
	bool failed;     /* said once; nothing more is written */
};

/*
 * path: the value of --pem, NULL for none. A folder that is not there is made. Fails with
 * CANT_CREATE (naming the folder).
 */
int probe_save_open(struct probe_save *save, const char *path, struct fail *why);
/*
 * The chains of a target. Returns 0, or -1 with why (STORAGE_FULL, STORAGE,
 * CANT_CREATE, naming the file) the first time that something cannot be written.
 */
int probe_save_add(struct probe_save *save, const struct target_facts *facts, struct fail *why);
void probe_save_close(struct probe_save *save);

#endif
