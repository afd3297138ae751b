#!/bin/sh
# A builder: asks for one build, makes it, acknowledges, asks again. Needs curl, jq, and ./make, which
# is given the build and says by its exit code whether it went well.
#   BUILDER_TOKEN=… ./builder.sh http://hooks.example:8080/queue/builds
queue=$1
ask() { curl -sSf --max-time 60 -H "Authorization: Bearer $BUILDER_TOKEN" "$@"; }
while :; do
  answer=$(ask "$queue?wait=25s&limit=1") || { sleep 5; continue; }
  [ -n "$answer" ] || continue # 204: there was none
  id=$(printf %s "$answer" | jq -r '.data[0].id')
  build=$(printf %s "$answer" | jq -r '.data[0].body')
  echo "building $build"
  if ./make "$build"; then verb=ack; else verb=nack; fi
  ask "$queue/$verb" -d "{\"ids\":[\"$id\"]}" >/dev/null # lost: the lease ends, and it comes again
done
