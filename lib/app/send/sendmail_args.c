#include "app/send/sendmail_args.h"

#include <string.h>

#include "base/limits.h"
#include "base/slice.h"
#include "base/text.h"

struct parse {
	struct sendmail_args *args;
	struct arena *arena;
	struct fail *why;
};

enum value { NONE, NEEDED, GLUED /* only glued to the letter, may be missing */ };

/* value: NULL without one. Returns -1 with why set, 1 when the option does nothing here. */
typedef int handler(struct parse *p, const char *value);

static int
opt_ignore(struct parse *p, const char *value)
{
	(void)p;
	(void)value;
	return 1;
}

static int
opt_t(struct parse *p, const char *value)
{
	(void)value;
	p->args->from_headers = true;
	return 0;
}

static int
opt_i(struct parse *p, const char *value)
{
	(void)value;
	p->args->ignore_dots = true;
	return 0;
}

static int
opt_v(struct parse *p, const char *value)
{
	(void)value;
	p->args->verbose = true;
	return 0;
}

static int
opt_U(struct parse *p, const char *value)
{
	(void)value;
	p->args->smtputf8 = true;
	return 0;
}

static int
opt_I(struct parse *p, const char *value)
{
	(void)value;
	p->args->mode = SENDMAIL_ALIASES;
	return 0;
}

static int
opt_f(struct parse *p, const char *value)
{
	p->args->sender = value;
	return 0;
}

static int
opt_F(struct parse *p, const char *value)
{
	p->args->full_name = value;
	return 0;
}

static int
opt_L(struct parse *p, const char *value)
{
	p->args->log_tag = value;
	return 0;
}

static int
opt_V(struct parse *p, const char *value)
{
	/* RFC 3461 s4.4: printable, and bounded */
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return fail_set(
			    p->why, FAIL_USAGE, "option -V: an envelope id is printable ASCII");
	if (n == 0 || n > LIMIT_ENVID_BYTES)
		return fail_set(p->why, FAIL_USAGE, "option -V: an envelope id has 1 to %d bytes",
		    LIMIT_ENVID_BYTES);
	p->args->envid = value;
	return 0;
}

static int
opt_N(struct parse *p, const char *value)
{
	static const char *const words[] = { "never", "success", "failure", "delay" };
	struct slice rest = slice_str(value);
	unsigned notify = 0;

	while (rest.n > 0) {
		struct slice word = slice_sub(rest, 0, slice_find(rest, ','));
		unsigned bit = 0;
		for (size_t i = 0; i < 4; i++)
			if (slice_is_case(word, words[i]))
				bit = 1U << i;
		if (bit == 0)
			break;
		notify |= bit;
		rest = slice_sub(rest, word.n + 1, rest.n);
	}
	if (rest.n > 0 || notify == 0 ||
	    ((notify & QUEUE_NOTIFY_NEVER) && notify != QUEUE_NOTIFY_NEVER))
		return fail_set(p->why, FAIL_USAGE,
		    "option -N: \"%.60s\": expected never, or some of success,failure,delay",
		    value);
	p->args->notify = notify;
	return 0;
}

static int
opt_R(struct parse *p, const char *value)
{
	struct slice word = slice_str(value);

	if (slice_is_case(word, "full"))
		p->args->ret = QUEUE_RET_FULL;
	else if (slice_is_case(word, "hdrs"))
		p->args->ret = QUEUE_RET_HDRS;
	else
		return fail_set(
		    p->why, FAIL_USAGE, "option -R: \"%.60s\": expected full or hdrs", value);
	return 0;
}

static int
opt_B(struct parse *p, const char *value)
{
	/* a hint only: we look at the text itself */
	(void)p;
	return strcasecmp(value, "7BIT") == 0 || strcasecmp(value, "8BITMIME") == 0 ? 0 : 1;
}

static int
set_errors(struct parse *p, char c)
{
	p->args->errors_given = true;
	switch (c) {
	case 'm':
	case 'w':
		p->args->errors = SENDMAIL_ERRORS_MAIL;
		return 0;
	case 'p':
		p->args->errors = SENDMAIL_ERRORS_TEXT;
		return 0;
	case 'e':
		p->args->errors = SENDMAIL_ERRORS_ZERO;
		return 0;
	case 'q':
		p->args->errors = SENDMAIL_ERRORS_QUIET;
		return 0;
	default:
		p->args->errors_given = false;
		return 1;
	}
}

static int
set_when(struct parse *p, char c)
{
	switch (c) {
	case 'i':
	case 'f':
		p->args->when = SENDMAIL_NOW;
		return 0;
	case 'b':
		p->args->when = SENDMAIL_BACKGROUND;
		return 0;
	case 'q':
	case 'd': /* sendmail's "defer": not even a lookup; the queue is what we have */
		p->args->when = SENDMAIL_QUEUE_ONLY;
		return 0;
	default:
		return 1;
	}
}

static int
opt_e(struct parse *p, const char *value)
{
	return set_errors(p, value[0]);
}

static bool
is_false(const char *value)
{
	return value[0] != '\0' && strchr("fFnN0", value[0]) != NULL;
}

/* -oX[value]: sendmail's old one-letter names of its configuration. */
static int
opt_o(struct parse *p, const char *value)
{
	switch (value[0]) {
	case 'i':
		p->args->ignore_dots = !is_false(value + 1);
		return 0;
	case 'v':
		p->args->verbose = !is_false(value + 1);
		return 0;
	case 'e':
		return set_errors(p, value[1]);
	case 'd':
		return set_when(p, value[1]);
	default:
		return 1;
	}
}

static bool
is_true(const char *value)
{
	return strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0 ||
	       strcmp(value, "1") == 0;
}

static int
opt_O(struct parse *p, const char *setting)
{
	size_t n = strcspn(setting, "=");
	struct slice name = slice_trim(slice_make(setting, n));
	const char *value = setting[n] == '=' ? setting + n + 1 : "";

	value += strspn(value, " ");
	if (slice_is_case(name, "DeliveryMode"))
		return set_when(p, text_lower(value[0]));
	if (slice_is_case(name, "ErrorMode"))
		return set_errors(p, text_lower(value[0]));
	if (slice_is_case(name, "REQUIRETLS"))
		p->args->requiretls = is_true(value);
	else if (slice_is_case(name, "SMTPUTF8"))
		p->args->smtputf8 = is_true(value);
	else
		return 1;
	return 0;
}

static int
opt_b(struct parse *p, const char *value)
{
	switch (value[0]) {
	case 'm':
	case 'a':
		return 0;
	case 's':
		p->args->mode = SENDMAIL_SMTP;
		return 0;
	case 'p':
		p->args->mode = SENDMAIL_LIST;
		return 0;
	case 'i':
		p->args->mode = SENDMAIL_ALIASES;
		return 0;
	case 'v':
		p->args->mode = SENDMAIL_VERIFY;
		return 0;
	case 'q': /* dma: into the queue */
		p->args->when = SENDMAIL_QUEUE_ONLY;
		return 0;
	case 'V':
		p->args->mode = SENDMAIL_VERSION;
		return 0;
	case 'h':
	case 'H':
		return 1;
	case 'd':
	case 'D':
	case 'l':
		return fail_set(p->why, FAIL_LISTEN,
		    "option -b%c: there is no daemon here: mail is received by mxtls listen, the "
		    "queue is run by mxtls queue run",
		    value[0]);
	default:
		return fail_set(p->why, FAIL_USAGE,
		    "option -b%.10s: expected one of -bm -bs -bp -bi -bv", value);
	}
}

static int
opt_d(struct parse *p, const char *value)
{
	/* -d0.1: versions and how it was built */
	if (value == NULL || (strcmp(value, "0") != 0 && strncmp(value, "0.", 2) != 0))
		return 1;
	p->args->mode = SENDMAIL_VERSION;
	return 0;
}

/* -q: a run of the queue; a time would be that of a daemon, and then one run is what we do. */
static int
opt_q(struct parse *p, const char *value)
{
	p->args->mode = SENDMAIL_RUN;
	if (value == NULL)
		return 0;
	switch (value[0]) {
	case 'I':
		p->args->run_id = value + 1;
		return 0;
	case 'R':
		p->args->run_recipient = value + 1;
		return 0;
	case 'S':
		p->args->run_sender = value + 1;
		return 0;
	case 'f':
		return 0;
	default:
		return 1;
	}
}

static const struct letter {
	char letter;
	enum value value;
	handler *fn;
} letters[] = {
	{ 't', NONE, opt_t },
	{ 'i', NONE, opt_i },
	{ 'f', NEEDED, opt_f },
	{ 'r', NEEDED, opt_f },
	{ 'F', NEEDED, opt_F },
	{ 'b', NEEDED, opt_b },
	{ 'q', GLUED, opt_q },
	{ 'o', NEEDED, opt_o },
	{ 'O', NEEDED, opt_O },
	{ 'e', NEEDED, opt_e },
	{ 'v', NONE, opt_v },
	{ 'U', NONE, opt_U },
	{ 'I', NONE, opt_I },
	{ 'B', NEEDED, opt_B },
	{ 'N', NEEDED, opt_N },
	{ 'R', NEEDED, opt_R },
	{ 'V', NEEDED, opt_V },
	{ 'L', NEEDED, opt_L },
	{ 'd', GLUED, opt_d },
	/* taken and without effect: the caller names no file, and these are not ours (DECISIONS A3) */
	{ 'A', NEEDED, opt_ignore },
	{ 'C', NEEDED, opt_ignore },
	{ 'D', NEEDED, opt_ignore },
	{ 'X', NEEDED, opt_ignore },
	{ 'h', NEEDED, opt_ignore },
	{ 'p', NEEDED, opt_ignore },
	{ 'M', GLUED, opt_ignore },
	{ 'Q', GLUED, opt_ignore },
};

static const struct letter *
find(char c)
{
	static const struct letter unknown = { 0, NONE, opt_ignore };

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].letter == c)
			return &letters[i];
	return &unknown;
}

/* One argument of letters; *next is the word behind it, NULL at the end. Returns how many words were used. */
static int
cluster(struct parse *p, const char *word, const char *next)
{
	for (const char *c = word + 1; *c != '\0'; c++) {
		const struct letter *l = find(*c);
		const char *value = l->value != NONE && c[1] != '\0' ? c + 1 : NULL;
		int used = 1;

		if (l->value == NEEDED && value == NULL) {
			if (next == NULL)
				return fail_set(p->why, FAIL_USAGE, "option -%c needs a value", *c);
			value = next;
			used = 2;
		}
		int rc = l->fn(p, value);
		if (rc < 0)
			return -1;
		if (rc > 0)
			strs_add(&p->args->ignored, p->arena,
			    arena_printf(p->arena, "-%c%s", *c, value == NULL ? "" : value));
		if (l->value != NONE && (value != NULL || used == 2))
			return used;
	}
	return 1;
}

static int
long_option(struct parse *p, const char *word)
{
	if (strcmp(word, "--help") == 0)
		p->args->mode = SENDMAIL_HELP;
	else if (strcmp(word, "--version") == 0)
		p->args->mode = SENDMAIL_VERSION;
	else
		return fail_set(p->why, FAIL_USAGE,
		    "%.60s: only sendmail's short options, --help and --version are known here; "
		    "mxtls send has the others",
		    word);
	return 1;
}

static enum sendmail_mode
initial_mode(const char *name)
{
	if (strcmp(name, "mailq") == 0)
		return SENDMAIL_LIST;
	if (strcmp(name, "newaliases") == 0)
		return SENDMAIL_ALIASES;
	return strcmp(name, "runq") == 0 ? SENDMAIL_RUN : SENDMAIL_SEND;
}

bool
sendmail_name(const char *argv0, const char **name_r)
{
	static const char *const names[] = { "sendmail", "send-mail", "mailq", "newaliases", "runq",
		"mxtls-submit" };
	const char *slash = argv0 == NULL ? NULL : strrchr(argv0, '/');

	*name_r = slash != NULL ? slash + 1 : argv0;
	for (size_t i = 0; *name_r != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(*name_r, names[i]) == 0)
			return true;
	return false;
}

int
sendmail_args_parse(const char *name, int argc, char *const *argv, struct arena *arena,
    struct sendmail_args *args_r, struct fail *why)
{
	struct parse p = { args_r, arena, why };
	int i = 1;

	memset(args_r, 0, sizeof(*args_r));
	args_r->mode = initial_mode(name);
	while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		int used = argv[i][1] == '-'
			       ? long_option(&p, argv[i])
			       : cluster(&p, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
		if (used < 0)
			return -1;
		i += used;
	}
	for (; i < argc; i++)
		strs_add(&args_r->operands, arena, argv[i]);
	return 0;
}
