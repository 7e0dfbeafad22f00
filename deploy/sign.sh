#!/usr/bin/env bash
# Signs a file of a release with the SSH key in the file $RELEASE_KEY, and verifies it as its users do: a release whose key
# deploy/release-signers does not name, as this commit has it, fails here.
set -euo pipefail
signers=$(dirname "$0")/release-signers
rm -f "$1.sig" # else it asks
ssh-keygen -q -Y sign -f "${RELEASE_KEY:?the file of the key that signs releases}" -n notifier-release "$1"
ssh-keygen -Y verify -f "$signers" -I notifier -n notifier-release -s "$1.sig" <"$1"
