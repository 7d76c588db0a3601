#!/usr/bin/env bash
# Runs the official conformance suite against the transports:
# test/conformance/run.sh [grpc|grpc-web] [--times n] [option...]
# Needs Go to build the suite, which stays in .cache/.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=v1.0.7
export PATH=$PWD/node_modules/.bin:$PATH
suite=.cache/connectconformance-$version/connectconformance
if [ ! -x "$suite" ]; then
  GOBIN=$PWD/$(dirname "$suite") go install "connectrpc.com/conformance/cmd/connectconformance@$version"
fi
client=.cache/conformance-client.mjs
esbuild test/conformance/client.ts --bundle --platform=node --format=esm --packages=external \
  --outfile="$client" --log-level=warning

protocols=(grpc grpc-web)
if [ $# -gt 0 ] && [ -f "test/conformance/$1.yaml" ]; then
  protocols=("$1")
  shift
fi
times=1
if [ "${1:-}" = --times ]; then
  times=$2
  shift 2
fi
failed=0
for run in $(seq "$times"); do
  [ "$times" = 1 ] || echo "run $run of $times, $(date -u +%Y-%m-%dT%H:%MZ)"
  for protocol in "${protocols[@]}"; do
    echo "conformance of $protocol:"
    "$suite" --mode client --conf "test/conformance/$protocol.yaml" \
      --known-failing "@test/conformance/$protocol.known-failing.txt" "$@" -- node "$client" || failed=1
  done
done
exit $failed
