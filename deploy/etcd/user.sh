#!/bin/sh
# Gives weir a user of its own in an etcd that asks for certificates, and nobody
# else any right: once, as root, when the members are up. etcdctl reads where they
# are and who asks from its environment:
#
#   export ETCDCTL_ENDPOINTS=https://a.example.com:2379 ETCDCTL_CACERT=tls/ca.crt
#   export ETCDCTL_CERT=tls/root.crt ETCDCTL_KEY=tls/root.key
#   user.sh [PREFIX]
#
# PREFIX is state.etcd.prefix of weir.yaml, /weir/ by default. The user has no
# password: its certificate is the proof. Where several weir clusters share an etcd,
# each has its own user, role and prefix, all called by USER_NAME.
set -eu
prefix=${1:-/weir/}
user=${USER_NAME:-weir}

if ! etcdctl user get root >/dev/null 2>&1; then
  etcdctl user add root --no-password
  etcdctl user grant-role root root
fi
etcdctl role add "$user"
etcdctl role grant-permission "$user" readwrite "$prefix" --prefix
etcdctl user add "$user" --no-password
etcdctl user grant-role "$user" "$user"
etcdctl auth enable
