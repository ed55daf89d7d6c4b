#!/bin/sh
# The main job on the shipped example: index a folder, do it again, ask a question.
# `make run` calls this; it leaves nothing behind but the model cache.
set -eu
bin=${BIN:-.venv/bin}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT INT TERM
export DOCMILL_HOME="$home/.docmill"

say() { printf '\n$ %s\n' "$*"; }

say docmill init
"$bin/docmill" init

say docmill sync examples/library
"$bin/docmill" sync examples/library

say docmill sync examples/library
"$bin/docmill" sync examples/library

question='how long does the night ferry need to be delayed before I get my money back?'
say "docmill search '$question' --limit 2"
"$bin/docmill" search "$question" --limit 2

# The first hit must be the right one, or this run has failed.
first=$("$bin/docmill" search "$question" --limit 1 --json |
  "$bin/python" -c 'import json, sys; print(json.load(sys.stdin)["hits"][0]["uri"])')
case $first in
  tickets/refunds.md) printf '\nThe answer was found in %s.\n' "$first" ;;
  *) printf '\nexpected tickets/refunds.md first, got %s\n' "$first" >&2; exit 1 ;;
esac
