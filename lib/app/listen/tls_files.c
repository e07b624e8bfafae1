#include "app/listen/tls_files.h"

#include <string.h>
#include <sys/stat.h>

static void
mix(uint64_t *sum, uint64_t value)
{
	*sum = (*sum ^ value) * 0x100000001b3U; /* FNV-1a: nobody attacks this */
}

static void
look_at(const char *path, uint64_t *sum)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		mix(sum, 1);
		return;
	}
	mix(sum, (uint64_t)st.st_dev);
	mix(sum, (uint64_t)st.st_ino);
	mix(sum, (uint64_t)st.st_size);
	mix(sum, (uint64_t)st.st_mtim.tv_sec);
	mix(sum, (uint64_t)st.st_mtim.tv_nsec);
	mix(sum, (uint64_t)st.st_ctim.tv_sec);
	mix(sum, (uint64_t)st.st_ctim.tv_nsec);
}

static uint64_t
look(const struct tls_server_options *options)
{
	uint64_t sum = 0xcbf29ce484222325U;

	for (size_t i = 0; i < options->n; i++) {
		look_at(options->cert_files[i], &sum);
		look_at(options->key_files[i], &sum);
	}
	if (options->client_ca != NULL)
		look_at(options->client_ca, &sum);
	return sum;
}

int
tls_files_load(struct tls_files *f, struct fail *why)
{
	/* looked at first: a change while they are read is seen at the next look */
	f->seen = look(&f->options);
	f->ctx = tls_ctx_server(&f->options, why);
	return f->ctx == NULL ? -1 : 0;
}

int
tls_files_reload(struct tls_files *f, bool force, struct tls_ctx **old_r, struct fail *why)
{
	uint64_t seen = look(&f->options);

	/* one made at the start has no file to come from */
	if (f->options.self_signed_name != NULL || (!force && seen == f->seen))
		return 0;
	f->seen = seen;
	struct tls_ctx *ctx = tls_ctx_server(&f->options, why);
	if (ctx == NULL)
		return -1;
	*old_r = f->ctx;
	f->ctx = ctx;
	return 1;
}
