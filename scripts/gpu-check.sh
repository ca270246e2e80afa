#!/usr/bin/env bash
# Tells all about a CUDA device: tests, results against the processor, dynamics at five sizes, training.
#
#   scripts/gpu-check.sh pack            on a machine with Rust: builds, and puts into gpu-check/ what
#                                        the other machine needs (the program and its tests)
#   scripts/gpu-check.sh [--data DIR]    on the machine with the GPU, from the checkout with gpu-check/;
#                                        without gpu-check/ it builds here. Needs the driver and NVRTC,
#                                        no network. DIR: labelled frames (deepmd/npy); then the anchor
#                                        of the training page is trained too
#
# Leaves gpu-check/results: device.json, table.txt, tests.txt, machine.txt (and training/).
set -euo pipefail
cd "$(dirname "$0")/.."
place=gpu-check

build() {
    cargo build --release --features cuda -p vitrion
    mkdir -p "$place"
    cp target/release/vitrion "$place/vitrion"
    tests=$(cargo test --release -p vitrion-cuda --test it --no-run --message-format=json |
        grep -o '"executable":"[^"]*/it-[^"]*"' | tail -1 | cut -d'"' -f4)
    cp "$tests" "$place/tests"
}

if [ "${1:-}" = pack ]; then
    build
    echo "copy this checkout with $place/ to the machine with the GPU and run scripts/gpu-check.sh there"
    exit 0
fi
data=
if [ "${1:-}" = --data ]; then
    data=${2:?--data needs a folder}
elif [ $# -gt 0 ]; then
    echo "usage: scripts/gpu-check.sh [pack | --data DIR]" >&2
    exit 1
fi
[ -x "$place/vitrion" ] && [ -x "$place/tests" ] || build
results=$place/results
mkdir -p "$results"
{
    date -u
    uname -a
    nproc
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv ||
        echo "nvidia-smi: not found"
    "$place/vitrion" --version
} 2>&1 | tee "$results/machine.txt"

# the evaluators, the dynamics and the trainer on every device; on the emulator too where there is a compiler
CARGO_MANIFEST_DIR=$PWD/crates/vitrion-cuda "$place/tests" --nocapture >"$results/tests.txt" 2>&1 && passed=yes || passed=no
grep -E "^test result|^SKIPPED" "$results/tests.txt" | sort | uniq -c
[ $passed = yes ] || tail -40 "$results/tests.txt"

"$place/vitrion" bench device --device cuda --save "$results/device.json" | tee "$results/table.txt" || passed=no

if [ -n "$data" ]; then
    # the paper's network on the paper's frames, see the page on training
    mkdir -p "$results/training"
    sed "s#^path = .*#path = \"$(realpath "$data")\"#" examples/train-paper/train.toml >"$results/training/train.toml"
    "$place/vitrion" train "$results/training/train.toml" --out "$results/training/run" --json | tee "$results/training.json"
fi
[ $passed = yes ]
