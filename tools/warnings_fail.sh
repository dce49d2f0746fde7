#!/bin/sh
# warnings_fail.sh COMPILER ARGUMENT...: as the compiler, but a warning fails. Unlike -Werror it leaves the command and its environment as they
# are in the release build, so that ccache, which keeps the warnings with the object, has the objects already. A warning is known by the option
# that it ends with, which no language translates.
# Let through: -Wrestrict, false alarms of g++ 12 inside std::string (GCC bug 105651).
warnings=$(mktemp) || exit 1
trap 'rm -f "$warnings"' EXIT
"$@" 2>"$warnings"
code=$?
cat "$warnings" >&2
[ $code = 0 ] || exit $code
! grep '\[-W[a-z]' "$warnings" | grep -qv '\[-Wrestrict\]'
