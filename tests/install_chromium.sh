#!/bin/sh
# The browser tests drive Debian's Chromium; where it cannot be installed they are skipped and say so.
set -u
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
else
  echo "chromium is not installed: the browser tests will be skipped"
fi
exit 0
