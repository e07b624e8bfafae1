#include "base/gzip.h"

#include <limits.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/library.h"

#define WINDOW_BITS 15
#define GZIP_FORMAT 16 /* added to the window: a header and a trailer of gzip, not of zlib */
#define MEMORY_LEVEL 8

static __typeof__(deflateInit2_) *init2;
static __typeof__(deflateBound) *bound;
static __typeof__(deflate) *run;
static __typeof__(deflateEnd) *end;

static const char *
open_library(void)
{
	static const char *const files[] = { LIBRARY_FILE("libz", "1"), NULL };
	static const struct library_function rows[] = { { "deflateInit2_", &init2 },
		{ "deflateBound", &bound }, { "deflate", &run }, { "deflateEnd", &end } };
	static bool opened;

	if (opened)
		return NULL;
	const char *wrong = library_open("zlib", files, rows, sizeof(rows) / sizeof(rows[0]));
	opened = wrong == NULL;
	return wrong;
}

int
gzip(struct slice text, struct buf *out, struct fail *why)
{
	z_stream z = { 0 };
	const char *wrong = open_library();

	if (wrong != NULL)
		return fail_set(why, FAIL_CONFIG, "%s", wrong);
	if (text.n > INT_MAX ||
	    init2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, WINDOW_BITS + GZIP_FORMAT, MEMORY_LEVEL,
		Z_DEFAULT_STRATEGY, ZLIB_VERSION, (int)sizeof(z)) != Z_OK)
		return fail_set(why, FAIL_INTERNAL, "zlib cannot be initialised");
	size_t most = bound(&z, text.n);
	char *to = buf_reserve(out, most);
	int rc = -1;
	if (to != NULL) {
		z.next_in = (const Bytef *)text.p;
		z.avail_in = (uInt)text.n;
		z.next_out = (Bytef *)to;
		z.avail_out = (uInt)most;
		if (run(&z, Z_FINISH) == Z_STREAM_END) {
			buf_commit(out, most - z.avail_out);
			rc = 0;
		}
	}
	end(&z);
	return rc == 0 ? 0 : fail_set(why, FAIL_INTERNAL, "the compressed text is too long");
}
