#!/bin/sh
# After the files are there. dpkg says "configure" and the version that was
# there before, rpm the number of versions there are now.
set -e

if command -v systemd-sysusers >/dev/null; then
  systemd-sysusers weir.conf
fi

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
case "$1:$2" in
  configure:?* | [2-9]:*)
    # weir ends the calls under way and goes on as the new version.
    systemctl try-restart weir.service || true
    ;;
  *)
    echo "weir: edit /etc/weir/weir.yaml, put the keys into /etc/weir/keys, then: systemctl enable --now weir"
    ;;
esac
