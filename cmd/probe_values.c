#include "probe_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "dns/dns.h"
#include "net/dial.h"

int
probe_value_at(const char *text, int64_t *at_r, struct fail *why)
{
	struct slice s = slice_str(text);
	char day[32];
	int64_t ms;

	if (s.n > 1 && (s.p[0] == '+' || s.p[0] == '-') &&
	    text_duration_ms(slice_sub(s, 1, s.n), &ms)) {
		*at_r = clock_wall() + (s.p[0] == '+' ? ms : -ms) / 1000;
		return 0;
	}
	snprintf(day, sizeof(day), "%.10sT00:00:00Z", text);
	if (json_time_parse(s.n == 10 ? day : text, at_r))
		return 0;
	return fail_set(why, FAIL_USAGE,
	    "option --at: \"%s\" is no time: expected +14d, -1d, 2026-01-31 or "
	    "2026-01-31T12:00:00Z",
	    text);
}

int
probe_value_source(const char *text, struct addr *source_r, int *family, struct fail *why)
{
	if (!addr_parse_ip(slice_str(text), 0, source_r))
		return fail_set(why, FAIL_USAGE,
		    "option --source: \"%s\" is no address: expected 192.0.2.1 or 2001:db8::1",
		    text);
	int have = source_r->sa.ss_family == AF_INET ? 4 : 6;
	if (*family != 0 && *family != have)
		return fail_set(why, FAIL_USAGE,
		    "option --source: %s is no IPv%d address, but only those are asked for with "
		    "-%d",
		    text, *family, *family);
	*family = have; /* the other one cannot be reached from there */
	if (dial_source_check(source_r, why) != 0)
		return fail_prefix(why, "option --source");
	return 0;
}

int
probe_value_sni(const char *text, struct arena *arena, const char **sni_r, struct fail *why)
{
	struct fail name_why;

	*sni_r = NULL;
	if (text == NULL || strcmp(text, "auto") == 0)
		return 0;
	*sni_r = strcmp(text, "none") == 0 ? "" : dns_name_normalize(text, arena, &name_why);
	if (*sni_r == NULL)
		return fail_set(why, FAIL_USAGE,
		    "option --sni: %s; expected auto, none or a host name", name_why.text);
	return 0;
}

int
probe_value_limit(const char *option, const char *text, struct bar_limit *limit_r, struct fail *why)
{
	if (text == NULL || bar_limit_parse(text, limit_r))
		return 0;
	return fail_set(why, FAIL_USAGE,
	    "option --%s: \"%s\" is neither a number of days, at most 3650, nor a percentage such "
	    "as 33%%",
	    option, text);
}

int
probe_list_read(const char *path, struct arena *arena, struct strs *lines, struct fail *why)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (file == NULL)
		return fail_errno(why, FAIL_NO_INPUT, "cannot read %s", path);
	while ((n = getline(&line, &size, file)) >= 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		strs_add_slice(lines, arena, slice_make(line, (size_t)n));
	}
	free(line);
	int ret = ferror(file) ? fail_errno(why, FAIL_NO_INPUT, "cannot read %s", path) : 0;
	if (!is_stdin)
		fclose(file);
	return ret;
}
