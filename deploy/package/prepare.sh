#!/bin/sh
# Writes what the packages hold beside the program into ./made: manual pages and
# completions, both made by the program. goreleaser runs it before it builds;
# the bytes depend on the commit alone.
set -eu
cd "$(dirname "$0")"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
rm -rf made
mkdir -p made/man made/completions
# A program for this machine, whatever is being built; who has one names it.
program=${1:-}
if [ -z "$program" ]; then
  program=$(mktemp)
  trap 'rm -f "$program"' EXIT
  (cd ../.. && GOOS='' GOARCH='' CGO_ENABLED=0 go build -trimpath -o "$program" ./cmd/weir)
fi
"$program" man made/man
gzip -9n made/man/*
for shell in bash zsh fish powershell; do
  "$program" completion "$shell" >"made/completions/weir.$shell"
done
