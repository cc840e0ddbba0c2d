# SPDX-License-Identifier: Apache-2.0
# Everything Spanhook is built, tested and shown with. `make help` lists the targets.

B := build
V ?= 0
SAN ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
else
Q :=
say =
endif

CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
ARCH ?= $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
VERSION := $(shell sed -n 's/^#define SPANHOOK_VERSION "\(.*\)"/\1/p' user/version.h)
PREFIX ?= /usr/local

WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Werror
CFLAGS ?= -O2 -g
LDFLAGS ?=
# A section a function: the link drops what is not used, and the lint sees what is reachable from where.
override CFLAGS += -ffunction-sections -fdata-sections
override LDFLAGS += -Wl,--gc-sections
override CFLAGS += -std=gnu11 -D_GNU_SOURCE $(WARN) -MMD -MP
# The agent is optimised as a whole when it is linked. Its objects hold plain code too, for the tests and the lint.
LTO ?= -O3 -flto=auto -ffat-lto-objects -fno-plt
# SAN=1: addresses and undefined behaviour, by clang, whose objects the fuzzers share; SAN=thread: data races; -O1, at
# which gcc sees too little of what is initialized. What runs in the kernel is built once.
K := $(B)
san_1 := address,undefined,fuzzer-no-link
san_thread := thread -Wno-maybe-uninitialized
ifneq ($(SAN),0)
B := $(K)/san-$(SAN)
override LTO :=
override CFLAGS += -O1 -fsanitize=$(san_$(SAN)) -fno-sanitize-recover=all -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=$(firstword $(san_$(SAN)))
endif
ifeq ($(SAN),1)
override CC := $(CLANG)
endif

USER_LIBS := -lbpf -ldw -lelf -lz -lmicrohttpd -lcjson -lyaml -lZydis -lpthread -lm
USER_SRC := $(wildcard user/*.c user/*/*.c)
USER_OBJ := $(USER_SRC:%.c=$(B)/%.o)
# What tests link: all but main and what needs the BPF skeleton.
LIB_OBJ := $(filter-out $(addprefix $(B)/user/,main.o run.o hook.o),$(USER_OBJ))
BPF_SRC := $(wildcard bpf/*.bpf.c)
BPF_OBJ := $(BPF_SRC:%.c=$(K)/%.o)

ORDER_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard service/base/*.c service/order/*.c))
WORKLOAD_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/accuracy/workload/*.c))
# In-code tracing around the plain order service: the linker sends these calls through service/incode/.
INCODE_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard service/incode/*.c))
INCODE_WRAP := create_order validate_user validate_products reserve_inventory calculate_total_amount \
	create_order_record publish_order_created_event MHD_start_daemon MHD_queue_response \
	MHD_create_response_from_buffer curl_easy_perform curl_easy_setopt sqlite3_step
BACKEND_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard service/base/*.c service/backend/*.c))
BENCH := $(addprefix $(B)/bench/,pace echo idle call)
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*_test.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(K)/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_ELF := $(addprefix $(K)/fuzz/elf.seeds/,4.so 5.o global.so thread.so node.so go)

all: $(B)/spanhook services ## build everything
services: $(B)/order-service $(B)/order-service-incode $(B)/backend ## build the example services
.PHONY: all services

$(B)/spanhook: $(USER_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LTO) $(LDFLAGS) -o $@ $^ $(USER_LIBS)

$(B)/user/hook.o: $(K)/spanhook.skel.h
$(B)/user/%.o: user/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LTO) -Iuser -I$(K) -c -o $@ $<

# Each hook source is compiled alone and checkable alone; one object and one skeleton are loaded.
$(K)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) bpf/drops.def bpf/runtimes.def vmlinux.h
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Wall -Wextra -Wno-unused-parameter -Wno-gnu-variable-sized-type-not-at-end -Werror -I. -c -o $@ $<
$(K)/spanhook.bpf.o: $(BPF_OBJ)
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^
$(K)/spanhook.skel.h: $(K)/spanhook.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name spanhook > $@.tmp && mv $@.tmp $@

# -O2 -g and no frame pointers: as a distribution builds its packages.
$(B)/service/%.o: service/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Iservice/base -fomit-frame-pointer -c -o $@ $<
$(B)/order-service: $(ORDER_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lmicrohttpd -lcurl -lcjson -lsqlite3 -lpq -lhiredis -lpthread
$(B)/order-service-incode: $(ORDER_OBJ) $(INCODE_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(INCODE_WRAP:%=-Wl,--wrap=%) -o $@ $^ -lmicrohttpd -lcurl -lcjson -lsqlite3 -lpq -lhiredis -lpthread
$(B)/backend: $(BACKEND_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lmicrohttpd -lcjson -lpthread

$(B)/tests/accuracy/%.o: tests/accuracy/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<
$(BENCH): $(B)/bench/%: tests/bench/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $<
$(B)/workload: $(WORKLOAD_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lpthread

$(B)/tests/unit/%: tests/unit/%.c $(LIB_OBJ)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fno-lto -Iuser -I. -o $@ $< $(LIB_OBJ) $(USER_LIBS) -lcmocka -lcjson
unit: $(UNIT)
.PHONY: unit

ifeq ($(SAN),1)
$(FUZZ): $(K)/fuzz/%: tests/fuzz/%.c $(LIB_OBJ)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -Iuser -I. -o $@ $< $(LIB_OBJ) $(USER_LIBS)
$(K)/fuzz/elf.seeds/global.so $(K)/fuzz/elf.seeds/thread.so: tests/fuzz/elf/contexts.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -fPIC -shared -nostdlib $(if $(filter %/thread.so,$@),-DSTORAGE=__thread) -o $@ $<
$(K)/fuzz/elf.seeds/node.so: tests/fuzz/elf/async_ids.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -fPIC -shared -nostdlib -DTRIGGER=1 -o $@ $<
$(K)/fuzz/elf.seeds/go: tests/fuzz/elf/goroutines.S
	@mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,-e0 -o $@ $<
$(filter-out %/global.so %/thread.so %/node.so %/go,$(FUZZ_ELF)): $(K)/fuzz/elf.seeds/%: tests/fuzz/elf/shop.c
	@mkdir -p $(@D)
	$(Q)$(CC) -g -gdwarf-$(basename $*) -O1 $(if $(filter %.so,$*),-shared -nostdlib,-c) -o $@ $<
$(K)/fuzz/elf: | $(FUZZ_ELF)
else
$(FUZZ) &: always
	$(Q)$(MAKE) SAN=1 $(FUZZ)
always:
.PHONY: always
endif
fuzzers: $(FUZZ)
.PHONY: fuzzers

# Objects wait for the packages when a target that promises them is asked for.
ifneq ($(filter deps demo accuracy recordings test,$(MAKECMDGOALS)),)
$(USER_OBJ) $(BPF_OBJ) $(ORDER_OBJ) $(INCODE_OBJ) $(BACKEND_OBJ) $(WORKLOAD_OBJ) $(BENCH) $(UNIT) $(FUZZ): | deps
endif
deps: ## install the Debian packages that are missing (root)
	$(Q)tests/deps.sh build $(if $(filter deps accuracy recordings test,$(MAKECMDGOALS)),test)
demo: deps all ## trace the order service and show the result (root); STORE=postgres: on PostgreSQL and Redis
	$(Q)B=$(B) service/demo.sh
bench: all $(BENCH) ## the cost report: throughput, latency, CPU, memory, loss; ONLY="nginx-static redis": a part (root)
	$(Q)B=$(B) tests/bench/run $(ONLY:%=--only %) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))
bench-guest: all ## the cost to 0.2 %, in a guest whose clock counts instructions
	$(Q)B=$(B) tests/bench/guest
MINUTES ?= 30
soak: all $(BENCH) ## MINUTES=30 of mixed load and churn: fails on what grows, is lost or miscounted (root)
	$(Q)B=$(B) tests/soak/run --minutes $(MINUTES)
accuracy: deps all $(B)/workload ## how many parents are right; of ONLY=workload at LOAD=open requests, if given (root)
	$(Q)B=$(B) tests/accuracy/run $(if $(ONLY),--only '$(ONLY)') $(if $(LOAD),--open $(LOAD)) $(if $(EXACT),--exact-turns)
compare: all ## lay Spanhook beside in-code tracing of the same process (root)
	$(Q)B=$(B) tests/compare/run
bench-compare: all ## the price of in-code tracing and of Spanhook (root)
	$(Q)B=$(B) tests/compare/bench
recordings: deps all $(B)/workload ## record the workloads of tests/recordings again (root)
	$(Q)B=$(B) tests/recordings/make
test: deps all unit $(B)/workload $(B)/bench/pace ## run every test (root)
	$(Q)B=$(B) tests/run
vm: all ## test inside Debian's kernels under QEMU; KERNELS="6.1 6.12-arm64": only these
	$(Q)B=$(B) tests/vm/run $(KERNELS)
lint: $(USER_OBJ) ## check licences, format, dependencies, the hot path, scripts and the manual
	$(Q)B=$(B) tests/lint
fuzz: $(FUZZ) ## run every fuzzer for TIME=60 seconds, JOBS=processors at a time; ONLY="elf config": these
	$(Q)B=$(B) tests/fuzz/run --seed 0 $(ONLY) $(if $(TIME),--seconds $(TIME)) $(if $(JOBS),--jobs $(JOBS))
install: $(B)/spanhook ## install to DESTDIR/PREFIX
	$(Q)install -D -m 755 $< $(DESTDIR)$(PREFIX)/bin/spanhook
	$(Q)install -D -m 644 user/spanhook.1 $(DESTDIR)$(PREFIX)/share/man/man1/spanhook.1
.PHONY: deps demo bench bench-guest soak accuracy compare bench-compare recordings test vm lint fuzz install

clean: ## remove build/
	$(Q)rm -rf build
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
.PHONY: clean help

-include $(shell find $(B) $(wildcard $(K)/fuzz) -path $(B)/vm -prune -o -name '*.d' -type f -print 2>/dev/null)
