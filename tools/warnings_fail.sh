#!/bin/sh
# warnings_fail.sh COMPILER ARGUMENT...: as the compiler, but a warning fails. Unlike -Werror it leaves the command as it is in the release
# build, so that ccache, which keeps the warnings with the object, has the objects already.
# Let through: -Wrestrict, false alarms of g++ 12 inside std::string (GCC bug 105651).
warnings=$(mktemp) || exit 1
trap 'rm -f "$warnings"' EXIT
LC_ALL=C "$@" 2>"$warnings"
code=$?
cat "$warnings" >&2
[ $code = 0 ] || exit $code
! grep 'warning:' "$warnings" | grep -qv '\[-Wrestrict\]'
