# make                 build build/*/ponder (linked as ./build/ponder); no network
# make test [T=rope]   set up, build, run all tests (those whose file holds T),
#                      plain and under sanitizers, valgrind and short fuzzing
# make fuzz            every fuzz target for FUZZ_S seconds each (default 60)
# make demo            set up, ask the shipped model, then a real one
# make nano            ponder-nano from random weights: two hours or less
# make bench-engine    figures against llama.cpp
# make bench-recipe    figures of ponder-nano, and training against PyTorch
SAN    ?= 0
CFLAGS ?= -O2 -g
FUZZ_S ?= 60
OUT    := build/san$(SAN)
ROOMS  := base tensor token tasks store model decode reason serve train cli
PKGS   := jansson libcurl libedit libmicrohttpd libsodium libutf8proc sqlite3
ALLC   := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow $(CFLAGS) -Isrc -Itests -MMD -MP \
          -ffp-contract=off -fno-math-errno -pthread $(shell pkg-config --cflags $(PKGS))
LIBS   := -pthread $(shell pkg-config --libs $(PKGS)) -lm
ifeq ($(SAN),1)
ALLC += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif

SRC    := $(foreach r,$(ROOMS),$(wildcard src/$r/*.c src/$r/cpu/*.c))
OBJ    := $(SRC:%.c=$(OUT)/%.o)
LIBOBJ := $(filter-out $(OUT)/src/cli/main.o,$(OBJ))
TESTS  := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/*/test_*.c))
HELP   := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/support/*.c))
FUZZ   := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
.SECONDARY:
.PHONY: all setup test test-bins fuzz-bins fuzz demo nano bench-engine bench-recipe clean

all: $(OUT)/ponder
	@ln -sf ../$(OUT)/ponder build/ponder

$(OUT)/ponder: $(OBJ)
	$(CC) $(ALLC) -o $@ $^ $(LIBS)

$(OUT)/libponder.a: $(LIBOBJ)
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALLC) -c -o $@ $<

$(OUT)/tests/%: tests/%.c $(HELP) $(OUT)/libponder.a
	@mkdir -p $(@D)
	$(CC) $(ALLC) -o $@ $< $(HELP) $(OUT)/libponder.a $(shell pkg-config --libs check) $(LIBS)

FUZZC   := clang $(filter-out -MMD -MP -O2,$(ALLC)) -MMD -MP -O1 \
           -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZOBJ := $(patsubst src/%.c,build/fuzz/obj/%.o,$(filter-out src/cli/%,$(SRC)))

build/fuzz/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(FUZZC) -c -o $@ $<

build/fuzz/%: tests/fuzz/%.c $(FUZZOBJ)
	$(FUZZC) -fsanitize=fuzzer -o $@ $^ $(LIBS)

setup:
	@tools/setup.sh

test-bins: $(TESTS)
fuzz-bins: $(FUZZ)

test: setup
	@tests/all.sh "$(T)"

fuzz: setup
	@$(MAKE) --no-print-directory $(FUZZ)
	@tests/fuzz/run.sh $(FUZZ_S) $(FUZZ)

demo: setup
	@$(MAKE) --no-print-directory all
	@tools/demo.sh

nano: setup
	@$(MAKE) --no-print-directory all
	@tools/nano.sh

bench-engine: setup
	@$(MAKE) --no-print-directory all
	@bench/engine.sh

bench-recipe: setup
	@$(MAKE) --no-print-directory all
	@bench/recipe.sh

clean:
	rm -rf build

-include $(OBJ:.o=.d) $(TESTS:=.d) $(HELP:.o=.d) $(FUZZOBJ:.o=.d)
