#!/bin/sh
# Build the peer, llama.cpp, from the source its Python package ships, so that it
# uses all this processor has. Prints the folder it lies in; a second run is instant.
#
#   FOLDER/venv/bin/python     runs bench/peer_llamacpp.py with PYTHONPATH=FOLDER/py
#   FOLDER/lib-NAME/           libllama.so and its friends, one folder a build
#
# Builds: `clang` with the library's own threads, and `gcc` with OpenMP. Neither is
# always the faster, so the benchmark tries both and keeps the better for each figure.
#
# Two traps, both of which would flatter us. clang 14 names its AMX macros otherwise
# than the source tests for (__AMXINT8__ against __AMX_INT8__), and quietly leaves the
# AMX kernels out. gcc before 13.2 may drop the stores into the tile configuration
# before it is loaded and the program dies; an empty asm statement keeps them.
#
# Exit: 0 built and checked; 2 no compiler, no room; 3 the registry cannot be reached;
# 4 the build lacks something this processor has.
set -eu
cd "$(dirname "$0")/.."

version=0.3.36
sdist_sha=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
dir=$PWD/.cache/peer-llamacpp-$version
log=$dir/build.log

fail() {
    code=$1
    shift
    echo "peer_llamacpp: $*" >&2
    exit "$code"
}

if [ -e "$dir/done" ]; then
    echo "$dir"
    exit 0
fi

command -v clang++ >/dev/null || fail 2 "clang is missing (make setup)"
command -v g++ >/dev/null || fail 2 "g++ is missing"
rm -rf "$dir"
mkdir -p "$dir"
tmp=$dir/tmp
mkdir "$tmp"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP
say() { echo "peer_llamacpp: $*" >&2; }

say "fetching llama-cpp-python $version and build tools (120 MB)"
python3 -m venv "$dir/venv" >"$log" 2>&1 || fail 2 "python3 -m venv fails, see $log"
pip="$dir/venv/bin/python -m pip --disable-pip-version-check --no-input"
if ! { $pip install -q cmake ninja typing-extensions &&
       $pip download -q --no-cache-dir --no-deps --no-binary llama-cpp-python \
           --dest "$tmp" llama-cpp-python==$version; } >>"$log" 2>&1; then
    fail 3 "the Python package registry cannot be reached, see $log"
fi
sdist=$tmp/llama_cpp_python-$version.tar.gz
[ "$(sha256sum "$sdist" | cut -d' ' -f1)" = $sdist_sha ] ||
    fail 4 "the SHA-256 of $sdist is not the pinned one"
tar -xzf "$sdist" -C "$tmp" --strip-components=1 --one-top-level=src
mkdir "$dir/py"
cp -r "$tmp/src/llama_cpp" "$dir/py/"
src=$tmp/src/vendor/llama.cpp
PATH=$dir/venv/bin:$PATH

# The compiler's macros under the names the source tests for, where it has the others.
amx_macros() { # COMPILER
    "$1" -march=native -dM -E - </dev/null | awk '
        $2 ~ /^__AMX(_)?(TILE|INT8|BF16)__$/ { have[$2] = 1 }
        END {
            n = split("TILE INT8 BF16", part, " ")
            for (i = 1; i <= n; i++)
                if (("__AMX" part[i] "__" in have) && !("__AMX_" part[i] "__" in have))
                    printf "-D__AMX_%s__ ", part[i]
        }'
}

build() { # NAME CC CXX OPENMP
    flags=$(amx_macros "$2")
    say "compiling with $2 (some minutes)"
    cmake -S "$src" -B "$tmp/$1" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_COMPILER="$2" -DCMAKE_CXX_COMPILER="$3" \
        -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" \
        -DGGML_NATIVE=ON -DGGML_OPENMP="$4" -DGGML_CCACHE=OFF -DBUILD_SHARED_LIBS=ON \
        -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF \
        -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF \
        -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON -DCMAKE_INSTALL_RPATH="\$ORIGIN" >>"$log" 2>&1 ||
        fail 2 "$2 cannot be set up, see $log"
    ninja -C "$tmp/$1" -j2 llama >>"$log" 2>&1 || fail 2 "$2 cannot compile it, see $log"
    cp -a "$tmp/$1/bin" "$dir/lib-$1"
    info=$(PYTHONPATH=$dir/py "$dir/venv/bin/python" bench/peer_llamacpp.py \
        --info --lib "$dir/lib-$1" 2>>"$log") || fail 4 "$2: the library does not load, see $log"
    say "$2: $info"
    for pair in amx_int8:AMX_INT8 avx512_vnni:AVX512_VNNI avx512_bf16:AVX512_BF16 avx2:AVX2; do
        if grep -qw "${pair%:*}" /proc/cpuinfo; then
            case "|${info#*:}|" in
            *"|${pair#*:}=1|"*) ;;
            *) fail 4 "$2: the build lacks ${pair#*:}, which this processor has" ;;
            esac
        fi
    done
}

build clang clang clang++ OFF
# Portable to every gcc, and free of cost where it is not needed.
mmq=$src/ggml/src/ggml-cpu/amx/mmq.cpp
sed -i 's/^\( *\)_tile_loadconfig(&tc);/\1__asm__ volatile("" : : "r"(\&tc) : "memory");\n&/' "$mmq"
grep -q '__asm__ volatile("" : : "r"(&tc)' "$mmq" || fail 4 "the source of the tile set-up has changed"
build gcc gcc g++ ON

touch "$dir/done"
echo "$dir"
