# The root file system reaches to the end of a card of 4 GiB.
set -eux
test "$(cat /sys/class/block/vda2/size)" = $(((4 * 1024 - 516) * 2048))
test "$(df --block-size=1M --output=size /var | tail -n 1)" -gt 3400
