# One non-recursive makefile. Targets: all test unit bats valgrind coverage lint format fuzz bench torture demo
# completions deps deps-html test-html install uninstall clean. Variables: CC CPPFLAGS CFLAGS LDFLAGS PREFIX DESTDIR,
# SAN=address,undefined, COVERAGE=1, WERROR=1, each build kind in a folder of its own.

PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
VERSION := 0.1.0
# of system mode, built in: no caller may choose them
SPOOLDIR ?= /var/spool/mxtls
STATEDIR ?= /var/lib/mxtls

# --- build kinds ---------------------------------------------------------------------------------
comma := ,
KIND := $(if $(SAN),-san-$(subst $(comma),-,$(SAN)))$(if $(COVERAGE),-coverage)$(if $(FUZZING),-fuzzing)$(if $(filter clang%,$(CC)),-clang)
B := build$(KIND:-%=/%)

PKGS := libssl libcrypto jansson
# opened when they are first needed (base/library.h): only their headers are needed here
PKGS_OPENED := libidn2 libpsl libcurl zlib
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) $(PKGS_OPENED) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 -Wvla
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now
ifeq ($(SAN)$(FUZZING),)
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
SAN_FLAGS := -fsanitize=$(SAN)$(if $(FUZZING),$(if $(SAN),$(comma))fuzzer-no-link) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ifneq ($(COVERAGE),)
SAN_FLAGS += --coverage -O0
endif
ALL_CPPFLAGS = -D_GNU_SOURCE $(if $(findstring address,$(SAN)),-DSANITIZED) -DMXTLS_VERSION='"$(VERSION)"' -DSYSTEM_SPOOL='"$(SPOOLDIR)"' -DSYSTEM_STATE='"$(STATEDIR)"' -Ilib -Icmd $(PKG_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS = -std=c11 $(WARN) $(if $(WERROR),-Werror) $(HARDEN) $(CFLAGS) $(SAN_FLAGS) -ffile-prefix-map=$(CURDIR)=.
ALL_LDFLAGS = $(HARDEN_LD) $(SAN_FLAGS) $(LDFLAGS)
LIBS = $(PKG_LIBS) -lev -lresolv -ldl
ifneq ($(COVERAGE),)
COVERAGE_EXIT := $(B)/tests/lib/coverage_exit.o
LIBS += -Wl,--wrap=_exit $(COVERAGE_EXIT)
endif

# Short lines by default; make V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $@")

# --- files ---------------------------------------------------------------------------------------
LIB_SRC := $(sort $(wildcard lib/*/*.c lib/*/*/*.c))
CMD_SRC := $(sort $(wildcard cmd/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/*_test.c))
# helpers of the tests: what is neither a test nor main
UNIT_HELPER_SRC := $(filter-out %_test.c %/main.c,$(sort $(wildcard tests/unit/*.c)))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*_fuzz.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
# mxtls-submit is setgid: it is these files and libc, nothing else
SUBMIT_SRC := $(sort $(wildcard cmd/submit/*.c)) lib/app/message/header.c lib/app/message/header_section.c lib/app/queue/envelope.c \
	lib/app/send/sendmail_args.c lib/app/store/storage.c lib/app/queue/submission.c lib/app/send/submit_text.c lib/smtp/address.c \
	lib/smtp/header_address.c lib/smtp/header_token.c \
	$(patsubst %,lib/base/%.c,arena buf clock crc32c fail file mem slice text)
SUBMIT_OBJ := $(SUBMIT_SRC:%.c=$(B)/%.o)
CMD_OBJ := $(CMD_SRC:%.c=$(B)/%.o)
UNIT_HELPER_OBJ := $(UNIT_HELPER_SRC:%.c=$(B)/%.o)
PROGRAM_SRC := $(sort $(wildcard tests/programs/*.c tests/bench/*.c))
PROGRAM_BIN := $(PROGRAM_SRC:%.c=$(B)/%)
UNIT_BIN := $(UNIT_SRC:%.c=$(B)/%)
REPLAY_BIN := $(FUZZ_SRC:%.c=$(B)/%_replay)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(B)/%)

.SECONDARY: # keep the objects of test programs

.PHONY: all
all: $(B)/mxtls $(B)/mxtls-submit

$(B)/mxtls: $(CMD_OBJ) $(B)/libmxtls.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(CMD_OBJ) $(B)/libmxtls.a $(LIBS)

$(B)/mxtls-submit: $(SUBMIT_OBJ)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(SUBMIT_OBJ)

$(B)/libmxtls.a: $(LIB_OBJ) | $(COVERAGE_EXIT)
	$(call say,AR)
	$(Q)rm -f $@
	$(Q)$(AR) rcsD $@ $(LIB_OBJ)

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(BAN) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# What may not be called there does not compile.
$(B)/lib/%.o $(B)/cmd/%.o: BAN = -include base/banned.h
$(B)/lib/io/%.o: BAN += -DIO_MAY_BLOCK
$(B)/cmd/main.o: BAN += -DIO_MAY_BLOCK # poll() with timeout 0 at exit: is the pipe closed?

$(B)/cmd/submit/%.o: BAN += -DIO_MAY_BLOCK # a small program without fibers

$(B)/tests/unit/%_test: $(B)/tests/unit/%_test.o $(B)/tests/unit/main.o $(UNIT_HELPER_OBJ) $(B)/libmxtls.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/tests/fuzz/%_replay: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(B)/libmxtls.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# Small programs that behaviour tests and benches run.
$(PROGRAM_BIN): %: %.o $(B)/libmxtls.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

-include $(shell find $(B)/lib $(B)/cmd $(B)/tests -name '*.d' -type f 2>/dev/null)

# --- tests ---------------------------------------------------------------------------------------
.PHONY: unit
unit: $(UNIT_BIN) $(REPLAY_BIN)
	@sh tests/run-unit $(B)

# --- files made from the tables ------------------------------------------------------------------
.PHONY: completions
completions: $(B)/mxtls
	@mkdir -p completions
	$(B)/mxtls completion bash >completions/mxtls.bash
	$(B)/mxtls completion zsh >completions/_mxtls
	$(B)/mxtls completion fish >completions/mxtls.fish

# The field lists of mxtls-output(7) and mxtls-listen(1), after a change of facts.def.
.PHONY: man-fields
man-fields: $(B)/mxtls
	tests/lib/man-fields $(B)/mxtls man/mxtls-output.7
	COMMAND=listen tests/lib/man-fields $(B)/mxtls man/mxtls-listen.1

# One file: tests/box bats tests/NAME.bats
.PHONY: bats
bats: $(B)/mxtls $(B)/mxtls-submit $(PROGRAM_BIN) $(SHIM) $(POISON)
	@MXTLS=$(CURDIR)/$(B)/mxtls tests/run-bats

.PHONY: test
test: $(B)/mxtls $(B)/mxtls-submit $(PROGRAM_BIN) $(SHIM) $(POISON) $(UNIT_BIN) $(REPLAY_BIN)
	@tests/run-test $(B)

# The same under valgrind: leaks too.
.PHONY: valgrind
valgrind: $(UNIT_BIN)
	@UNDER='valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite' \
		UNIT_ONLY=1 sh tests/run-unit $(B)

# Some twenty behaviour tests with the program under valgrind.
.PHONY: valgrind-bats
valgrind-bats: $(B)/mxtls $(PROGRAM_BIN)
	@tests/valgrind-bats $(B)/mxtls

# Statements run of the STARTTLS switch, the data scanner and the commits; fails unless it is all of them.
COVERAGE_TESTS := smtp_server server_switch smtp_data starttls commit commit_error
.PHONY: coverage coverage-figures
coverage:
	@+$(MAKE) --no-print-directory CC=gcc COVERAGE=1 coverage-figures
coverage-figures: $(COVERAGE_TESTS:%=$(B)/tests/unit/%_test)
	@tests/coverage $(B) $(COVERAGE_TESTS)

# FUZZ_SECONDS for each target; FUZZ="reply dns_name" runs only these; FUZZ_SEED=N repeats a run.
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 10
.PHONY: fuzz fuzz-programs
fuzz:
	@+$(MAKE) --no-print-directory CC=$(FUZZ_CC) SAN=address,undefined FUZZING=1 FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FUZZ_SEED) fuzz-programs
fuzz-programs: $(FUZZ_BIN)
	@FUZZ_SEED=$(FUZZ_SEED) tests/run-fuzz $(B) $(FUZZ_SECONDS) $(FUZZ)
$(B)/tests/fuzz/%_fuzz: $(B)/tests/fuzz/%_fuzz.o $(B)/libmxtls.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

# kill -9 and errors at every I/O call of queue and receiver (TORTURE="--action kill" for some of it), sessions cut at
# every byte, signals under load: half an hour. Each part has its line with the sum at the end.
SHIM := $(B)/tests/torture/shim.so
POISON := $(B)/tests/torture/poison.so
.PHONY: torture torture-queue torture-listen torture-cut torture-signals
torture: torture-queue torture-listen torture-cut torture-signals
torture-queue: $(B)/mxtls $(B)/mxtls-submit $(SHIM)
	@tests/box python3 tests/torture/run.py $(abspath $(B)/mxtls) $(abspath $(SHIM)) $(TORTURE)
torture-listen: $(B)/mxtls $(SHIM)
	@tests/box python3 tests/torture/listen.py $(abspath $(B)/mxtls) $(abspath $(SHIM)) $(TORTURE)
torture-cut: $(B)/mxtls
	@tests/box python3 tests/torture/cut.py $(abspath $(B)/mxtls) $(CUT)
torture-signals: $(B)/mxtls
	@tests/box python3 tests/torture/signals.py $(abspath $(B)/mxtls) $(SIGNALS)
$(B)/tests/torture/%.so: tests/torture/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -D_GNU_SOURCE -std=c11 -O1 -Wall -Wextra -shared -fPIC -o $@ $<

# Each attack of tests/attack.tsv, by the tests that try it.
.PHONY: attack
attack: $(B)/mxtls $(PROGRAM_BIN) $(SHIM) $(POISON) $(UNIT_BIN)
	@tests/attack $(B)

.PHONY: lint
lint:
	@tests/lint

.PHONY: format
format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

# CPU, memory and rates as ratios to peers in the same run; the report is in $(B)/bench/report.txt.
# QUICK=1 for a look, PARTS="listen probe" for some of it.
.PHONY: bench
bench: $(B)/mxtls $(filter $(B)/tests/bench/%,$(PROGRAM_BIN))
	@tests/bench/run $(B) $(if $(QUICK),--quick) $(PARTS)

.PHONY: deps
deps:
	@tests/deps

# The page of mxtls report in a headless Chromium, which make deps does not bring. SHOTS=DIR keeps pictures.
.PHONY: deps-html test-html
deps-html:
	@tests/deps html
test-html: $(B)/mxtls
	@tests/run-html $(B) $(if $(SHOTS),--shots $(SHOTS))

# --- install -------------------------------------------------------------------------------------
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
MAN_PAGES := $(sort $(wildcard man/*.[1-8]))

# SYSTEM=1: system mode, one queue for the host (mxtls-submit(8)), besides.
SYSTEMUNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
SUBMIT := $(PREFIX)/libexec/mxtls-submit

# The names of sendmail, as links, with WITH_SENDMAIL=1: where programs look for them.
SENDMAIL_LINKS ?= /usr/sbin/sendmail /usr/lib/sendmail /usr/bin/mailq /usr/bin/newaliases /usr/bin/runq
SENDMAIL_IS := $(if $(SYSTEM),$(SUBMIT),$(PREFIX)/bin/mxtls)

# What runs the queue: units for each user, and a line for crontab -e.
UNITDIR ?= $(PREFIX)/lib/systemd/user
UNITS := mxtls-queue.service mxtls-queue.timer
# What receives: units of the system, for whoever enables them.
LISTEN_UNITS := mxtls-listen.socket mxtls-listen.service

.PHONY: install
install: $(B)/mxtls $(if $(SYSTEM),$(B)/mxtls-submit install-check)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(B)/mxtls $(DESTDIR)$(PREFIX)/bin/mxtls
	for page in $(MAN_PAGES); do \
		install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit; done
	install -D -m 644 completions/mxtls.bash $(DESTDIR)$(BASHDIR)/mxtls
	install -D -m 644 completions/_mxtls $(DESTDIR)$(ZSHDIR)/_mxtls
	install -D -m 644 completions/mxtls.fish $(DESTDIR)$(FISHDIR)/mxtls.fish
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/share/mxtls
	for unit in $(UNITS); do \
		sed 's|@BINDIR@|$(PREFIX)/bin|' cmd/systemd/$$unit >$(DESTDIR)$(UNITDIR)/$$unit || exit; \
		chmod 644 $(DESTDIR)$(UNITDIR)/$$unit; done
	install -d $(DESTDIR)$(SYSTEMUNITDIR)
	for unit in $(LISTEN_UNITS); do \
		sed 's|@BINDIR@|$(PREFIX)/bin|' cmd/systemd/listen/$$unit >$(DESTDIR)$(SYSTEMUNITDIR)/$$unit || exit; \
		chmod 644 $(DESTDIR)$(SYSTEMUNITDIR)/$$unit; done
	sed 's|@BINDIR@|$(PREFIX)/bin|' cmd/systemd/crontab >$(DESTDIR)$(PREFIX)/share/mxtls/crontab
	chmod 644 $(DESTDIR)$(PREFIX)/share/mxtls/crontab
ifneq ($(SYSTEM),)
	install -D -m 755 $(B)/mxtls-submit $(DESTDIR)$(SUBMIT)
	@cmd/systemd/system/install "$(DESTDIR)" "$(SUBMIT)" "$(SPOOLDIR)" "$(STATEDIR)" "$(PREFIX)/bin" \
		"$(SYSTEMUNITDIR)" "$(SYSUSERSDIR)" "$(TMPFILESDIR)" "$(PREFIX)/share/mxtls"
endif
ifneq ($(WITH_SENDMAIL),)
	@for link in $(SENDMAIL_LINKS); do \
		to=$(DESTDIR)$$link; is=$$(readlink "$$to"); \
		if { [ -e "$$to" ] || [ -L "$$to" ]; } && [ "$$is" != $(PREFIX)/bin/mxtls ] && [ "$$is" != $(SUBMIT) ]; then \
			echo "$$to is there and not ours: remove the other mail system first" >&2; exit 1; \
		fi; done
	for link in $(SENDMAIL_LINKS); do \
		install -d "$(DESTDIR)$${link%/*}" && ln -sf $(SENDMAIL_IS) "$(DESTDIR)$$link" || exit; done
endif

# Whoever installs makes the user: it is an account of the host, and not ours to make behind his back.
.PHONY: install-check
install-check:
	@[ -n "$(DESTDIR)" ] || getent group mxtls >/dev/null || { \
		echo "SYSTEM=1 needs the user and group mxtls; as root: useradd --system --user-group" \
			"--home-dir $(STATEDIR) --shell /usr/sbin/nologin mxtls" >&2; exit 1; }

# Takes away what install put there, nothing else; the queue stays.
.PHONY: uninstall
uninstall:
	rm -f $(addprefix $(DESTDIR)$(SYSTEMUNITDIR)/,$(LISTEN_UNITS))
	rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS)) $(DESTDIR)$(PREFIX)/share/mxtls/crontab
	rm -f $(DESTDIR)$(PREFIX)/bin/mxtls $(DESTDIR)$(BASHDIR)/mxtls $(DESTDIR)$(ZSHDIR)/_mxtls \
		$(DESTDIR)$(FISHDIR)/mxtls.fish
	rm -f $(DESTDIR)$(SUBMIT) $(DESTDIR)$(SYSTEMUNITDIR)/mxtls-queue.service $(DESTDIR)$(SYSUSERSDIR)/mxtls.conf \
		$(DESTDIR)$(TMPFILESDIR)/mxtls.conf $(DESTDIR)$(PREFIX)/share/mxtls/mailboxes.conf
	for page in $(MAN_PAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done
	for link in $(SENDMAIL_LINKS); do \
		is=$$(readlink "$(DESTDIR)$$link"); \
		if [ "$$is" = $(PREFIX)/bin/mxtls ] || [ "$$is" = $(SUBMIT) ]; then rm -f "$(DESTDIR)$$link"; fi; done

# Unpacked packages (build/debs) stay: they need the network.
# The three jobs on loopback, for people to look at.
.PHONY: demo
demo: $(B)/mxtls
	@tests/demo $(B)/mxtls

.PHONY: clean
clean:
	[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name debs -exec rm -rf {} +
