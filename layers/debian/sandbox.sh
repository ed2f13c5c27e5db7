# Lays tools over a tree and runs a command in it: PID 1 of namespaces of its own, so that all mounts and processes
# end with it. Directories are in LOWER, UPPER, WORK and ROOT, further options of the overlay in OPTIONS, an emulator to
# register for this sandbox alone in EMULATOR, and the command in the arguments.
set -eu
mount --make-rprivate /
mount -t overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK,volatile,$OPTIONS" overlay "$ROOT"
mount -t proc -o ro,nosuid,nodev,noexec proc "$ROOT/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$ROOT/sys"
mount -t tmpfs -o mode=0755,nosuid,noexec tmpfs "$ROOT/dev"
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$ROOT/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$ROOT/tmp"
for device in null zero full random urandom tty; do
	: >"$ROOT/dev/$device"
	mount --bind "/dev/$device" "$ROOT/dev/$device"
done
mkdir "$ROOT/dev/shm" "$ROOT/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec tmpfs "$ROOT/dev/shm"
ln -s /proc/self/fd "$ROOT/dev/fd"
ln -s fd/0 "$ROOT/dev/stdin"
ln -s fd/1 "$ROOT/dev/stdout"
ln -s fd/2 "$ROOT/dev/stderr"
hostname localhost
if [ -n "$EMULATOR" ]; then
	mount -t proc proc /proc
	mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
	printf '%s' "$EMULATOR" >/proc/sys/fs/binfmt_misc/register
fi
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
	DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes \
	SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" PERL_HASH_SEED=0 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 \
	chroot "$ROOT" "$@" </dev/null
umount -R "$ROOT"
