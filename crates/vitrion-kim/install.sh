#!/usr/bin/env bash
# Installs a potential as a portable model of OpenKIM, and the model driver "vitrion" that evaluates it.
#
#   install.sh MODEL NAME [--precision double|mixed] [--dir DIR] [--library FILE]
#
# MODEL is a vitrion or DeePMD-kit model file; programs then know it as NAME (letters, digits, underscores). It goes to
# the user collection of the KIM API that is installed here, or to DIR/model-drivers and DIR/portable-models, which the
# variables KIM_API_MODEL_DRIVERS_DIR and KIM_API_PORTABLE_MODELS_DIR must then name. A model that is there already is
# not replaced, the driver is. FILE is libvitrion_kim.so, if it is built already. It needs cargo, a C compiler, and for
# the user collection libkim-api-dev (Debian's name).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fail() { echo "install.sh: $1" >&2; exit 2; }
[[ $# -ge 2 ]] || fail "expected MODEL and NAME; see the first lines of $0"
model=$1 name=$2 precision=double dir="" library=""
shift 2
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value; see the first lines of $0"
    case $1 in
        --precision) precision=$2 ;;
        --dir) dir=$2 ;;
        --library) library=$2 ;;
        *) fail "unknown option $1; see the first lines of $0" ;;
    esac
    shift 2
done
[[ -f $model ]] || fail "$model is not there"
[[ $(basename "$model") != *[\"\\]* ]] || fail "$model has a quote or a backslash in its name"
[[ $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || fail "$name is no name: letters, digits and underscores, no digit first"
[[ $name != vitrion ]] || fail "vitrion is the name of the driver; choose another for the model"
[[ $precision =~ ^(double|mixed)$ ]] || fail "precision is $precision, expected double or mixed"
if [[ -z $dir ]]; then
    # where the manager of KIM itself looks
    manager=$(command -v kim-api-collections-management) || fail "no KIM API here (Debian: apt-get install libkim-api-dev); or give --dir"
    info=$(dirname "$(readlink -f "$manager")")/../libexec/kim-api/kim-api-collections-info
    [[ -x $info ]] || fail "$manager is there, but $info is not"
    drivers=$("$info" config_file model_drivers) models=$("$info" config_file portable_models)
else
    drivers=$dir/model-drivers models=$dir/portable-models
fi
[[ ! -e $models/$name ]] || fail "there is a $name in $models; kim-api-collections-management remove $name, or delete that folder"
if [[ -z $library ]]; then
    manifest=$here/../../Cargo.toml
    cargo build --release --manifest-path "$manifest" -p vitrion-kim
    library=$(cargo metadata --manifest-path "$manifest" --format-version 1 --no-deps |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/libvitrion_kim.so
fi
[[ -f $library ]] || fail "$library is not there"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$model" "$work/potential"
printf 'precision = %s\n' "$precision" >"$work/settings"
# what KIM_SharedLibrarySchema.hpp, version 2, describes, with the two files inside
cat >"$work/model.c" <<C
__asm__(".section .rodata\n"
        "potential: .incbin \"$work/potential\"\npotential_end:\n"
        "settings: .incbin \"$work/settings\"\nsettings_end:\n.previous\n");
extern const unsigned char potential[], settings[];
struct file { const char *name; unsigned int length; const unsigned char *bytes; };
static const struct file files[] = {{"$(basename "$model")", $(stat -c %s "$work/potential"), potential},
                                    {"settings", $(stat -c %s "$work/settings"), settings}};
int kim_shared_library_schema_version = 2;
struct {
  int type; const char *name; int language; void *create; const char *driver; const void *simulator;
  int parameters; const struct file *parameter_files; int metadata; const struct file *metadata_files;
} kim_shared_library_schema = {1, "$name", 1, 0, "vitrion", 0, 2, files, 0, 0};
C
mkdir -p "$drivers/vitrion" "$models/$name"
cc -shared -fPIC -o "$work/libkim-api-portable-model.so" "$work/model.c"
# a library that is in use is replaced, not written over
install -m 755 "$library" "$work/driver.so"
mv -f "$work/driver.so" "$drivers/vitrion/libkim-api-model-driver.so"
mv -f "$work/libkim-api-portable-model.so" "$models/$name/libkim-api-portable-model.so"
echo "$name: a portable model in $models"
