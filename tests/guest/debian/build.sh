#!/bin/sh
# Makes a small Debian system out of its packages, as a user or as root:
#
#   build.sh DIRECTORY     writes DIRECTORY/disk (ext4, no partitions), DIRECTORY/vmlinuz and DIRECTORY/initrd,
#                          which are copies of the disk's own
#
# Log in as root with password "rhea". scripts/stock-guest runs this, and keeps what it makes.
set -eu

out=$1
packages=linux-image-cloud-amd64,initramfs-tools,zstd,systemd-sysv,login,gcc,libc6-dev,python3-minimal

# What mmdebstrap runs on the finished tree, with root's rights in there and this directory still in reach.
customize=$(mktemp)
trap 'rm -f "$customize"' EXIT
cat >"$customize" <<HOOK
set -eu
root=\$1
echo rhea >"\$root/etc/hostname"
echo '127.0.0.1 localhost rhea' >"\$root/etc/hosts"
echo '/dev/vda / ext4 defaults 0 1' >"\$root/etc/fstab"
echo root:rhea | chroot "\$root" chpasswd
cp "\$root"/boot/vmlinuz-* '$out/vmlinuz'
cp "\$root"/boot/initrd.img-* '$out/initrd'
# The tree without what is mounted in it (proc, sys, dev).
bare=\$(mktemp -d)
mount --bind "\$root" "\$bare"
mke2fs -q -t ext4 -L rhea -d "\$bare" '$out/disk' 1500M
umount "\$bare"
rmdir "\$bare"
HOOK

mmdebstrap --quiet --variant=minbase --format=null --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="sh '$customize' \"\$1\"" bookworm /dev/null
