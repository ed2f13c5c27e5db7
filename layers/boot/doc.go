// Package boot makes the layer that fills the boot partition: firmware, kernel, device trees, config.txt, cmdline.txt
// and an initramfs with pkinit.
//
// It reads the kernel and its modules from the tree below; it neither compiles nor runs anything, and it does not know
// how the partition is written to a disk.
package boot
