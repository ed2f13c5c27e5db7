# Configures all packages; those in the arguments first, as the others count on them, in part without saying so.
set -eu
cd /
if [ $# -gt 0 ]; then
	"${0%/*}/dpkg" --force-unsafe-io --force-confold --abort-after=1 --no-triggers --configure "$@"
fi
"${0%/*}/dpkg" --force-unsafe-io --force-confold --abort-after=1 --configure --pending
