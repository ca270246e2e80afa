#!/bin/sh
# Makes the font of the figures: DejaVu Sans with the letters, Greek, signs, superscripts and subscripts that charts use.
# Needs fonttools (pip install fonttools) and Debian's fonts-dejavu-core. Run from the workspace root.
set -eu
source=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
target=crates/vitrion/src/report/fonts
pyftsubset "$source" --output-file="$target/DejaVuSans-subset.ttf" --no-hinting --desubroutinize \
    --layout-features=kern --name-IDs=0,1,2,3,4,5,6,13,14 --notdef-outline --glyph-names \
    --unicodes=U+0020-007E,U+00A0-017F,U+0391-03C9,U+03D1,U+03D5,U+2010-2015,U+2018-201E,U+2020-2022,U+2026,U+2030,U+2032,U+2033,U+2070-209C,U+2126,U+2190-2193,U+21CC,U+2202,U+2206,U+2207,U+2211,U+2212,U+2215,U+2218-221A,U+221D,U+221E,U+2225,U+2227,U+2243,U+2248,U+2260,U+2261,U+2264,U+2265,U+226A,U+226B,U+22C5,U+27E8,U+27E9
sed -n '/^Files: \*/,/^Files: debian/p' /usr/share/doc/fonts-dejavu-core/copyright | sed '$d' | sed -e 's/^ \.$//' -e 's/^ //' >"$target/LICENSE-DejaVu.txt"
