# Lays tools over a tree, runs the command in the arguments in it, and writes the changes as a tar to descriptor 4. It is
# PID 1 of namespaces of its own, so that all mounts and processes end with it. The current directory is empty and takes
# all files, or a tmpfs over it does if MEMORY is set. Trees come from who reads descriptor 3: what lies aside, too, if
# ASIDE is set. OPTIONS are options of the overlay; EMULATOR is one to register for this sandbox alone; with NETWORK set,
# names are looked up as on the building machine.
set -eu
umask 022
mount --make-rprivate /
if [ -n "$MEMORY" ]; then
	mount -t tmpfs -o mode=0700,size=100% tmpfs "$PWD"
	cd "$PWD"
fi
mkdir tools tree upper work root
fetch() { # DIRECTORY: has a tree put there
	echo "$1" >&3
	read -r answer <&3
}
fetch tools
fetch tree

mount -t overlay -o "lowerdir=tools:tree,upperdir=upper,workdir=work,$OPTIONS" overlay root
mount -t proc -o ro,nosuid,nodev,noexec proc root/proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs root/sys
mount -t tmpfs -o mode=0755,nosuid,noexec tmpfs root/dev
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs root/run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs root/tmp
for device in null zero full random urandom tty; do
	: >root/dev/$device
	mount --bind "/dev/$device" root/dev/$device
done
mkdir root/dev/shm root/dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec tmpfs root/dev/shm
ln -s /proc/self/fd root/dev/fd
ln -s fd/0 root/dev/stdin
ln -s fd/1 root/dev/stdout
ln -s fd/2 root/dev/stderr
hostname localhost
if [ -n "$ASIDE" ]; then
	mkdir root/run/pkbuild
	mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs root/run/pkbuild
	fetch root/run/pkbuild
	mount -o remount,bind,ro root/run/pkbuild
fi
created=
if [ -n "$NETWORK" ] && [ -e /etc/resolv.conf ]; then
	at=$(readlink root/etc/resolv.conf || echo /etc/resolv.conf)
	case $at in
	/etc/resolv.conf) [ -e root/etc/resolv.conf ] || created=upper/etc/resolv.conf ;;
	/run/* | ../run/*) at=/run/${at#*/run/} ;; # a symlink to what a service writes
	*) at= ;;
	esac
	if [ -n "$at" ]; then
		mkdir -p "root${at%/*}"
		[ -e "root$at" ] || : >"root$at"
		mount --bind /etc/resolv.conf "root$at"
	fi
fi
if [ -n "$EMULATOR" ]; then
	mount -t proc proc /proc
	mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
	name=${EMULATOR#:}
	[ -e "/proc/sys/fs/binfmt_misc/${name%%:*}" ] || printf '%s' "$EMULATOR" >/proc/sys/fs/binfmt_misc/register
fi
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
	DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes \
	SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" PERL_HASH_SEED=0 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 \
	chroot root "$@" </dev/null 3<&- 4>&-
umount -R root
[ -z "$created" ] || rm "$created"
tar --create --file=- --directory=upper --format=posix --numeric-owner --xattrs '--xattrs-include=*' . >&4
