# optimclm: plain GNU make, one file. `make help` lists the targets.

PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share/optimclm
MANDIR  ?= $(PREFIX)/share/man
DESTDIR ?=
INSTALL ?= install
PKG_CONFIG ?= pkg-config
ifeq ($(origin CC),default)
CC := gcc
endif

MODE  ?= release
SAN   ?=
WERROR ?=
V     ?=
comma := ,
BUILD ?= build/$(MODE)$(if $(SAN),-$(subst $(comma),-,$(SAN)))

ifeq ($(V),)
Q := @
SAY = @echo "  $(1)  $(2)";
else
SAY =
endif

PKGS := ncursesw readline libcjson libutf8proc libxxhash libzip libprotobuf-c
CFLAGS_MODE_release := -O2 -g
CFLAGS_MODE_debug   := -O0 -g3
CFLAGS ?= $(CFLAGS_MODE_$(MODE))
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef -Wcast-qual -Wpointer-arith \
        -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
        -Wformat=2 -Wdouble-promotion -Wswitch-enum $(if $(WERROR),-Werror)

VERSION := 0.1
OC_CPPFLAGS := -I. -isystem $(BUILD)/gen -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE -DOC_VERSION='"$(VERSION)"'
OC_CFLAGS := -std=c11 -fopenmp -pthread -fno-math-errno -ffp-contract=off $(WARN) $(SANFLAGS)
OC_CFLAGS += $(shell $(PKG_CONFIG) --cflags-only-I $(PKGS) 2>/dev/null)
OC_LDLIBS = $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lm
TEST_LDLIBS = $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null || echo -lcmocka)

LAYERS := core sessions views tui
SRC_core     := $(wildcard core/*/*.c)
SRC_sessions := $(wildcard sessions/*.c)
SRC_views    := $(wildcard views/*.c)
SRC_tui      := $(filter-out tui/main.c,$(wildcard tui/*.c))
objs = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIBS := $(patsubst %,$(BUILD)/lib%.a,$(LAYERS))
# A test links its layer and those to its left (fourth column: what it may use).
LIB_core     := $(BUILD)/libcore.a
LIB_sessions := $(BUILD)/libsessions.a $(LIB_core)
LIB_views    := $(BUILD)/libviews.a $(LIB_sessions)
LIB_tui      := $(BUILD)/libtui.a $(LIB_views)

BIN := $(BUILD)/optimclm

.PHONY: all deps build demo check test test-arm64 fuzz bench bench-table bench-kernels bench-paper lint format accept install uninstall clean distclean help man
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BIN)

# --- objects -------------------------------------------------------------------------------

# The suffix of a kernel's file names its ISA; a compiler that does not know one builds without it.
ISA_FLAGS :=
FLAGS_avxvnni    := -mavx2 -mfma -mavxvnni
FLAGS_avx512vnni := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma
FLAGS_amx        := $(FLAGS_avx512vnni) -mamx-tile -mamx-int8 -mamx-bf16
FLAGS_neon       := -march=armv8.2-a+dotprod
knows = $(shell $(CC) $(1) -fsyntax-only -x c /dev/null 2>/dev/null && echo yes)
ifneq (,$(filter x86_64% i%86-%,$(shell $(CC) -dumpmachine 2>/dev/null)))
$(BUILD)/core/kernels/%_avx2.o: ISA_FLAGS := -mavx2 -mfma
ifneq (,$(call knows,$(FLAGS_avxvnni)))
OC_CPPFLAGS += -DOC_HAVE_AVXVNNI
$(BUILD)/core/kernels/%_avxvnni.o: ISA_FLAGS := $(FLAGS_avxvnni)
endif
ifneq (,$(call knows,$(FLAGS_avx512vnni)))
OC_CPPFLAGS += -DOC_HAVE_AVX512VNNI
$(BUILD)/core/kernels/%_avx512vnni.o: ISA_FLAGS := $(FLAGS_avx512vnni)
endif
ifneq (,$(call knows,$(FLAGS_amx)))
OC_CPPFLAGS += -DOC_HAVE_AMX
$(BUILD)/core/kernels/%_amx.o: ISA_FLAGS := $(FLAGS_amx)
endif
endif
ifneq (,$(filter aarch64-%,$(shell $(CC) -dumpmachine 2>/dev/null)))
ifneq (,$(call knows,$(FLAGS_neon)))
OC_CPPFLAGS += -DOC_HAVE_NEON
# Scheduled by gcc before registers are given out, the f32 tile's 29 registers become more than 32.
$(BUILD)/core/kernels/%_neon.o: ISA_FLAGS := $(FLAGS_neon) $(if $(call knows,-Werror -fno-schedule-insns),-fno-schedule-insns)
endif
endif
# Kernels are loops over floats; they are worth -O3 whatever the mode of the rest. Under a sanitizer
# their unrolled loops take minutes to compile above -O1.
ifeq ($(MODE),release)
$(BUILD)/core/kernels/%.o: OPT := $(if $(SAN),-O1,-O3)
$(BUILD)/core/nn/%.o: OPT := $(if $(SAN),-O1,-O3)
endif

$(BUILD)/.flags: FORCE
	@mkdir -p $(BUILD); echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(OC_CPPFLAGS) $(OC_CFLAGS) $(LDFLAGS)' > $@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE
FORCE:

$(BUILD)/%.o: %.c $(BUILD)/.flags
	@mkdir -p $(@D)
	$(call SAY,CC,$<)$(CC) $(OC_CPPFLAGS) $(CPPFLAGS) $(OC_CFLAGS) $(CFLAGS) $(OPT) $(ISA_FLAGS) -MMD -MP -c $< -o $@

define LAYER_LIB
$(BUILD)/lib$(1).a: $(call objs,$(SRC_$(1)))
	$$(call SAY,AR,$$@)rm -f $$@; ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call LAYER_LIB,$(l))))

# The part of the ONNX schema we write; protoc-c makes C of it.
PROTOC_C ?= protoc-c
$(BUILD)/gen/onnx.pb-c.c: core/io/onnx.proto
	@mkdir -p $(@D)
	$(call SAY,GEN,$@)$(PROTOC_C) -Icore/io --c_out=$(@D) $<
$(BUILD)/gen/onnx.pb-c.h: $(BUILD)/gen/onnx.pb-c.c ;
$(BUILD)/core/io/export_onnx_pb.o: $(BUILD)/gen/onnx.pb-c.h
$(BUILD)/gen/onnx.pb-c.o: $(BUILD)/gen/onnx.pb-c.c
	$(call SAY,CC,$<)$(CC) $(OC_CPPFLAGS) $(CPPFLAGS) $(OC_CFLAGS) -w $(CFLAGS) -c $< -o $@
$(BUILD)/libcore.a: $(BUILD)/gen/onnx.pb-c.o

# Recipes are built in: each becomes a string literal.
RECIPES := $(sort $(wildcard assets/recipes/*.json))
$(BUILD)/recipes.c: $(RECIPES) Makefile
	@mkdir -p $(@D)
	$(call SAY,GEN,$@){ echo '#include "tui/recipes.h"'; echo 'const oc_builtin oc_builtin_recipes[] = {'; \
	for f in $(RECIPES); do n=$${f##*/}; echo "{\"$${n%.json}\","; \
	sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $$f; echo '},'; done; echo '{0, 0}};'; } > $@
$(BUILD)/recipes.o: $(BUILD)/recipes.c
	$(call SAY,CC,$<)$(CC) $(OC_CPPFLAGS) $(CPPFLAGS) $(OC_CFLAGS) $(CFLAGS) -c $< -o $@
$(BUILD)/libtui.a: $(BUILD)/recipes.o

$(BIN): $(BUILD)/tui/main.o $(LIB_tui)
	$(call SAY,LD,$@)$(CC) $(OC_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(OC_LDLIBS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# --- tests ---------------------------------------------------------------------------------

# Which layer a test may reach: by folder, or by name inside unit/.
UNIT_sessions := test_state test_series test_workbench test_command test_replay test_session
UNIT_tui := test_keys test_repl test_cli
TESTS_core     := $(wildcard tests/kernels/test_*.c tests/grad/test_*.c tests/parity/test_*.c tests/interop/test_*.c) \
                  $(filter-out $(patsubst %,tests/unit/%.c,$(UNIT_sessions) $(UNIT_tui)),$(wildcard tests/unit/test_*.c))
TESTS_sessions := $(wildcard tests/journal/test_*.c) $(wildcard $(patsubst %,tests/unit/%.c,$(UNIT_sessions)))
TESTS_views    := $(wildcard tests/views/test_*.c)
TESTS_tui      := $(wildcard tests/script/test_*.c) $(wildcard $(patsubst %,tests/unit/%.c,$(UNIT_tui)))
test_bin = $(patsubst tests/%.c,$(BUILD)/tests/%,$(1))
# Files beside the tests that are not tests themselves are helpers, linked into each of that folder.
helpers = $(filter-out $(dir $(1))test_% $(dir $(1))fuzz_% $(dir $(1))bench_% $(dir $(1))driver.c,$(wildcard $(dir $(1))*.c))

define TEST_RULE
$(call test_bin,$(2)): $(BUILD)/$(2:.c=.o) $(call objs,$(call helpers,$(2))) $$(LIB_$(1))
	$$(call SAY,LD,$$@)$$(CC) $$(OC_CFLAGS) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) $$(OC_LDLIBS) $$(TEST_LDLIBS)
ALL_TESTS += $(call test_bin,$(2))
endef
$(foreach l,$(LAYERS),$(foreach t,$(TESTS_$(l)),$(eval $(call TEST_RULE,$(l),$(t)))))

# Fuzz targets: with driver.c they replay their corpus in `check`; `make fuzz` builds libFuzzer ones.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_REPLAY := $(call test_bin,$(FUZZ_SRC))
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/driver.o $(LIB_tui)
	$(call SAY,LD,$@)$(CC) $(OC_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(OC_LDLIBS)

# One test by name: make test T=test_json
test: $(BIN) $(filter %/$(T),$(ALL_TESTS))
	@for t in $(filter %/$(T),$(ALL_TESTS)); do OC_BINARY=$(BIN) $$t || exit 1; done

TEST_TIMEOUT ?= 900
check: deps
	@$(MAKE) --no-print-directory BUILD=$(BUILD) check-built

.PHONY: check-built
check-built: $(BIN) $(ALL_TESTS) $(FUZZ_REPLAY)
	@BUILD=$(BUILD) OC_BINARY=$(BIN) TEST_TIMEOUT=$(TEST_TIMEOUT) tests/run.sh $(ALL_TESTS) -- $(FUZZ_REPLAY)

# The kernels of 64-bit ARM, cross-built and run by qemu against the reference (CONTRIBUTING.md).
KERNEL_TESTS := $(patsubst tests/%.c,build/arm64/tests/%,$(wildcard tests/kernels/test_*.c))
test-arm64:
	@aarch64-linux-gnu-gcc --version >/dev/null && qemu-aarch64 --version >/dev/null || { echo "test-arm64: CONTRIBUTING.md says what it needs" >&2; exit 1; }
	@$(MAKE) --no-print-directory CC=aarch64-linux-gnu-gcc BUILD=build/arm64 OC_LDLIBS=-lm $(KERNEL_TESTS)
	@for t in $(KERNEL_TESTS); do qemu-aarch64 $$t || exit 1; done

fuzz:
	@tests/fuzz/fuzz.sh $(if $(T),$(T),$(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SRC)))

accept:
	@$(MAKE) --no-print-directory $(call test_bin,$(TESTS_views))
	@for t in $(call test_bin,$(TESTS_views)); do UPDATE_GOLDEN=1 $$t || exit 1; done; git diff --stat -- tests/views

BENCHES := $(call test_bin,$(wildcard tests/bench/bench_*.c tests/bench/make_*.c tests/bench/peer_*.c))
$(BUILD)/tests/bench/bench_models $(BUILD)/tests/unit/test_bench: $(BUILD)/tests/bench/results.o
$(BENCHES): $(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(LIB_core)
	$(call SAY,LD,$@)$(CC) $(OC_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(OC_LDLIBS)
# The whole table takes about twenty minutes. With ARGS only these rows are measured (again), and take
# their place in it: make bench ARGS="--models tinybert-4l --parts fixed,train". bench-table prints it.
bench: $(BIN) $(BENCHES)
	@BUILD=$(BUILD) tests/bench/bench.sh $(ARGS)
bench-table: $(BENCHES)
	@$(BUILD)/tests/bench/bench_models --print $(BUILD)/bench-rows.jsonl
# ARGS="ROUNDS ISA WORD": so many rounds, of one instruction set, of lines with that word.
bench-kernels: $(BENCHES)
	@$(BUILD)/tests/bench/bench_kernels $(ARGS)
# About a minute. ARGS="--data TABLE --text COLUMN", or a model folder instead of the made one.
bench-paper: $(BIN)
	@$(BIN) bench --paper --seconds 20 $(ARGS)

# --- people --------------------------------------------------------------------------------

deps:
	@tests/deps.sh

build: deps
	@$(MAKE) --no-print-directory all

demo: deps
	@$(MAKE) --no-print-directory all
	@$(BIN) demo

# The man pages' tables come from the program's own.
man: $(BIN)
	@OC_BINARY=$(BIN) tests/man.sh write

lint:
	@tests/lint.sh

format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

install: all
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(DATADIR)/recipes $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7
	$(INSTALL) -m 755 $(BIN) $(DESTDIR)$(BINDIR)/optimclm
	$(INSTALL) -m 644 assets/recipes/*.json $(DESTDIR)$(DATADIR)/recipes
	for s in 1 5 7; do $(INSTALL) -m 644 man/*.$$s $(DESTDIR)$(MANDIR)/man$$s || exit 1; done

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/optimclm $(DESTDIR)$(MANDIR)/man1/optimclm.1 $(DESTDIR)$(MANDIR)/man5/optimclm-*.5 $(DESTDIR)$(MANDIR)/man7/optimclm-*.7
	rm -rf $(DESTDIR)$(DATADIR)

clean:
	rm -rf $(BUILD)

distclean:
	rm -rf build

help:
	@echo "all (default)  build $(BIN)"; \
	echo "deps           make sure of the Debian packages"; \
	echo "demo           deps, build, and run the whole pipeline on synthetic notes"; \
	echo "check          deps, build, and run every test       (SAN=address,undefined  MODE=debug  WERROR=1)"; \
	echo "test T=NAME    one test binary                       fuzz [T=NAME]  libFuzzer targets (clang)"; \
	echo "test-arm64     the kernels of 64-bit ARM, under qemu"; \
	echo "bench [ARGS=]  our models against installed peers    bench-table bench-kernels bench-paper"; \
	echo "accept         rewrite the views' goldens"; \
	echo "man            rewrite the tables inside man/"; \
	echo "lint format    checks and layout of the sources      install uninstall [DESTDIR= PREFIX=]"; \
	echo "clean distclean"
