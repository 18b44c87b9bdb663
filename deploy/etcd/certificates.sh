#!/bin/sh
# Makes the certificates of an etcd and of those who use it, with openssl:
#
#   certificates.sh FOLDER NAME...
#
# NAME is the name or address of each member. FOLDER then has the authority (ca.crt;
# ca.key signs more, and belongs off these hosts), member.crt for all members, and
# weir.crt and root.crt for the users weir and root of etcd: etcd takes the common
# name of a certificate for the user. They hold for DAYS, two years by default.
set -eu
[ $# -ge 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
umask 077
mkdir -p "$1"
cd "$1"
shift
days=${DAYS:-730}

names=
for name; do
  case $name in
    *:*) names="$names,IP:$name" ;;
    *[!0-9.]*) names="$names,DNS:$name" ;;
    *) names="$names,IP:$name" ;;
  esac
done

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null; }

if [ ! -e ca.key ]; then
  key ca
  openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/O=weir/CN=weir etcd" -out ca.crt \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign"
fi

# sign FILE SUBJECT USAGE NAMES
sign() {
  key "$1"
  {
    echo "basicConstraints=critical,CA:FALSE"
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=$3"
    [ -z "$4" ] || echo "subjectAltName=$4"
  } >"$1.ext"
  openssl req -new -key "$1.key" -subj "$2" |
    openssl x509 -req -sha256 -days "$days" -CA ca.crt -CAkey ca.key -CAcreateserial -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.ext"
}

# Members are clients of each other, and no user: no common name.
sign member "/O=weir" serverAuth,clientAuth "DNS:localhost,IP:127.0.0.1$names"
sign weir "/O=weir/CN=weir" clientAuth ""
sign root "/O=weir/CN=root" clientAuth ""
