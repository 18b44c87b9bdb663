#!/bin/sh
# After the files have gone. /var/lib/weir stays, whatever is asked: it says what
# weir applied, and without it nothing of that is ever removed from the accounts.
set -e

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
case "$1" in
  purge | 0)
    [ ! -d /var/lib/weir ] || echo "weir: /var/lib/weir, the memory of what was applied, is kept"
    ;;
esac
