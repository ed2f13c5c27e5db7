# Configures all packages; those in the arguments first, as the others count on them, in part without saying so.
set -eu
cd /
"${0%/*}/dpkg" --force-unsafe-io --force-confold --abort-after=1 --no-triggers --configure "$@"
"${0%/*}/dpkg" --force-unsafe-io --force-confold --abort-after=1 --configure --pending
