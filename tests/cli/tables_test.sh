#!/bin/sh
# Pages that are made by the program are as it makes them now; tables say what the entries say.
# usage: tables_test.sh SAHA, in the project's folder
set -eu
saha=$1
failed=0
fail() { echo "FAILED: $*"; failed=1; }

made=$(mktemp -d)
trap 'rm -r "$made"' EXIT
"$saha" ops --markdown > "$made/ops.md"
"$saha" help --markdown > "$made/cli.md"
for page in ops cli; do
  diff "docs/$page.md" "$made/$page.md" || fail "docs/$page.md is not what saha makes: saha $([ $page = ops ] && echo ops || echo help) --markdown > docs/$page.md"
done

"$saha" schema saha-yaml --markdown > "$made/saha-yaml.md"
sed 1,4d docs/saha-yaml.md | diff - "$made/saha-yaml.md" || fail "docs/saha-yaml.md is not what saha makes: saha schema saha-yaml --markdown"

"$saha" ops --json > "$made/all.json"
for fact in gradient bounds integer; do
  "$saha" ops --missing $fact --json > "$made/some.json"
  all=$(grep -c "\"$fact\": \"missing\"" "$made/all.json") || fail "no operator lacks its $fact"
  [ "$all" = "$(grep -c "\"$fact\": \"missing\"" "$made/some.json")" ] || fail "--missing $fact leaves some out"
  [ "$all" = "$(grep -c '"name":' "$made/some.json")" ] || fail "--missing $fact shows others"
done
"$saha" ops --missing speed > "$made/out" 2>&1 && fail "--missing speed is taken"
grep -q "one of gradient, bounds and integer is taken" "$made/out" || fail "--missing speed: $(cat "$made/out")"
"$saha" ops Sign | grep -q "gradient never" || fail "Sign has a gradient"
"$saha" ops Relu | grep -q "gradient yes   bounds yes   integer yes" || fail "Relu: $("$saha" ops Relu)"

"$saha" doctor | grep -Eq "native [0-9.]+ (generic|avx2|avx512[a-z0-9]*|neon[a-z0-9_]*) " || fail "doctor does not tell the level of the native engine"
exit $failed
