# Runs as root in mount, process and network namespaces of its own, all of which end with it. CARD, OFFSET and SIZE say
# where the root file system is, CGROUP where the container's control groups go. It waits for a line before it boots the
# root file system with systemd as process 1: the network is connected in the meantime. Modules and the mount of the root
# are the host's.
set -e
mkdir -p root
mount -t ext4 -o "loop,offset=$OFFSET,sizelimit=$SIZE" "$CARD" root
ip link set lo up
echo $$ >"$CGROUP/cgroup.procs"
echo "namespaces are ready"
read -r line
# Docker configures the networks of its containers in /proc/sys/net.
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --boot --directory=root --keep-unit --register=no --settings=no --machine=pkbuild \
	--network-namespace-path=/proc/self/ns/net --console=read-only --resolv-conf=off --timezone=off --link-journal=no \
	--capability=all --system-call-filter="add_key keyctl bpf" --kill-signal=SIGRTMIN+3 \
	systemd.mask=systemd-modules-load.service systemd.mask=systemd-remount-fs.service systemd.journald.forward_to_console=1
