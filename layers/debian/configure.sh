# Configures all packages; those in the arguments first, as the others count on them, in part without saying so.
set -eu
cd /
dpkg --force-unsafe-io --force-confold --no-triggers --configure "$@"
dpkg --force-unsafe-io --force-confold --configure --pending
