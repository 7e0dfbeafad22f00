#!/usr/bin/env bash
# Writes the completions of a program for bash, zsh and fish: `bash deploy/completions.sh PROGRAM DIR`. Packages install them as
# /usr/share/bash-completion/completions/notifier, /usr/share/zsh/site-functions/_notifier and
# /usr/share/fish/vendor_completions.d/notifier.fish.
set -euo pipefail
[ $# = 2 ] || { echo "usage: bash deploy/completions.sh PROGRAM DIR" >&2; exit 2; }
mkdir -p "$2"
"$1" completion bash >"$2/notifier"
"$1" completion zsh >"$2/_notifier"
"$1" completion fish >"$2/notifier.fish"
