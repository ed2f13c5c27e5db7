# Runs preinst scripts in their order, in the environment that dpkg gives them. Its argument is the version of dpkg.
set -eu
cd /
export DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1
export DPKG_MAINTSCRIPT_DEBUG=0 DPKG_FORCE=security-mac,downgrade,unsafe-io,confold DPKG_RUNNING_VERSION="$1"
for dir in /usr/lib/pkbuild/preinst/*; do
	base=${dir##*/}
	base=${base#*_}
	export DPKG_MAINTSCRIPT_PACKAGE="${base%_*}" DPKG_MAINTSCRIPT_ARCH="${base##*_}"
	cp -R "$dir" /var/lib/dpkg/tmp.ci
	if ! /var/lib/dpkg/tmp.ci/preinst install; then
		echo "the preinst script of $DPKG_MAINTSCRIPT_PACKAGE failed" >&2
		exit 1
	fi
	rm -r /var/lib/dpkg/tmp.ci
done
