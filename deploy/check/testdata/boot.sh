#!/bin/sh
# Boots the systemd of this machine as process 1 of namespaces of its own, on a
# copy-on-write view of this machine's files that goes when it ends:
#
#   unshare --mount --pid --fork --uts --ipc boot.sh FOLDER
#
# FOLDER is empty; the network is the machine's.
set -eu
root=$1/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$root" "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
# The groups of processes are the machine's: the kernel has one tree of them.
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
# Nothing of the machine's own services is started, only what a test asks for.
printf '[Unit]\nDescription=What a service may expect\nRequires=sysinit.target\nAfter=sysinit.target\nWants=systemd-journald.service\n' \
  >"$root/run/bare.target"
hostname weir-test
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l .old
# Credentials are mounted in a helper's namespace and must show in the others'.
mount --make-rshared /
mkdir -p /run/systemd/system
mv /run/bare.target /run/systemd/system/bare.target
exec env -i container=weir-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --log-target=journal --unit=bare.target
