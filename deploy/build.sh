#!/usr/bin/env bash
# Builds the program as it is released: `bash deploy/build.sh OUT`. One static file, the same to the byte for the same sources, Go
# release, GOOS, GOARCH and version, in whatever folder it is built. VERSION and REVISION are asked of git unless they are given, which
# a container needs: it has no .git.
set -euo pipefail
[ $# = 1 ] || { echo "usage: bash deploy/build.sh OUT" >&2; exit 2; }
out=$(realpath -m -- "$1")
cd "$(dirname "$0")/.."

if [ -z "${REVISION:-}" ]; then
  REVISION=$(git rev-parse HEAD)
  [ -z "$(git status --porcelain)" ] || REVISION+=-dirty
fi
VERSION=${VERSION:-$(git describe --tags --abbrev=0 2>/dev/null || echo dev)}

# -buildvcs=false: Go would stamp what it finds of git, which differs between a clone, an archive and a container.
# -s -w: no tables for debuggers; stack traces do not need them.
app=github.com/notifier/notifier/internal/app
CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly exec go build -trimpath -buildvcs=false \
  -ldflags "-s -w -X $app.Version=$VERSION -X $app.Revision=$REVISION" -o "$out" ./cmd/notifier
