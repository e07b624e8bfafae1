#include <string.h>

#include "smtp/fault.h"
#include "test.h"

TEST(a_fault_has_a_point_conditions_and_a_kind_with_its_value)
{
	static const struct {
		const char *text, *point, *to; /* point NULL: refused */
		unsigned permille;
		enum smtp_fault_kind kind;
	} rows[] = {
		{ "NOOP=drop", "NOOP", NULL, 1000, SMTP_FAULT_DROP },
		{ "noop/p:0.5%=drop", "NOOP", NULL, 5, SMTP_FAULT_DROP },
		{ "./to:lost/p:0%=cut:7", ".", "lost", 0, SMTP_FAULT_CUT },
		{ "*/p:100%=slow:1ms", "*", NULL, 1000, SMTP_FAULT_SLOW },
		{ "RCPT/to:u=reply:450 a=b:c/d", "RCPT", "u", 1000, SMTP_FAULT_REPLY },
		{ "GREETING=reply:", "GREETING", NULL, 1000, SMTP_FAULT_REPLY },
		{ "ehlo=masked", "EHLO", NULL, 1000, SMTP_FAULT_MASK },
		{ "TLS/p:12%=alert:255", "TLS", NULL, 120, SMTP_FAULT_ALERT },
		{ "TLS=cert:weak", "TLS", NULL, 1000, SMTP_FAULT_CERT },
		{ "TLS=version:TLSv1.0", "TLS", NULL, 1000, SMTP_FAULT_VERSION },
		{ "NOOP/p:100.1%=drop", NULL, NULL, 0, 0 },
		{ "NOOP/p:0.55%=drop", NULL, NULL, 0, 0 },
		{ "NOOP/p:5=drop", NULL, NULL, 0, 0 },
		{ "NOOP/p:%=drop", NULL, NULL, 0, 0 },
		{ "NOOP/to:=drop", NULL, NULL, 0, 0 },
		{ "NOOP/x:1=drop", NULL, NULL, 0, 0 },
		{ "TLS/to:u=stall", NULL, NULL, 0, 0 },
		{ "greeting/to:u=drop", NULL, NULL, 0, 0 },
		{ "NOOP=drop:1", NULL, NULL, 0, 0 },
		{ "NOOP=reply", NULL, NULL, 0, 0 },
		{ "NOOP=cut:-1", NULL, NULL, 0, 0 },
		{ "NOOP=delay:soon", NULL, NULL, 0, 0 },
		{ "NOOP=stall", NULL, NULL, 0, 0 },
		{ "NOOP=masked", NULL, NULL, 0, 0 },
		{ "TLS=reply:x", NULL, NULL, 0, 0 },
		{ "TLS=alert:256", NULL, NULL, 0, 0 },
		{ "TLS=cert:", NULL, NULL, 0, 0 },
		{ "TLS=version:SSLv3", NULL, NULL, 0, 0 },
		{ "=drop", NULL, NULL, 0, 0 },
		{ "NOOP", NULL, NULL, 0, 0 },
		{ "", NULL, NULL, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_fault fault;
		struct arena arena;
		struct fail why;
		TEST_ROW("%s", rows[i].text);
		arena_init(&arena);
		int ret = smtp_fault_parse(slice_str(rows[i].text), &arena, &fault, &why);
		CHECK_INT(ret, rows[i].point == NULL ? -1 : 0);
		if (ret == 0 && rows[i].point != NULL) {
			CHECK_STR(fault.point, rows[i].point);
			CHECK_STR(
			    fault.to == NULL ? "" : fault.to, rows[i].to == NULL ? "" : rows[i].to);
			CHECK_INT(fault.permille, rows[i].permille);
			CHECK_INT(fault.kind, rows[i].kind);
		} else if (ret != 0) {
			CHECK_INT(why.code, FAIL_USAGE);
			CHECK(strstr(why.text, "is no fault: expected POINT") != NULL);
		}
		arena_free(&arena);
	}
}

TEST(a_fault_text_has_escapes_and_may_have_colons)
{
	struct smtp_fault fault;
	struct arena arena;
	struct fail why;

	arena_init(&arena);
	CHECK_INT(
	    smtp_fault_parse(slice_str("STARTTLS=inject:250 a:b\\r\\n\\\\"), &arena, &fault, &why),
	    0);
	CHECK_STR(fault.text, "250 a:b\r\n\\");
	CHECK(smtp_fault_at(&fault, "STARTTLS") && !smtp_fault_at(&fault, "TLS"));
	CHECK_INT(smtp_fault_parse(slice_str("*=drop"), &arena, &fault, &why), 0);
	CHECK(smtp_fault_at(&fault, "GREETING") && !smtp_fault_at(&fault, "TLS"));
	arena_free(&arena);
}
