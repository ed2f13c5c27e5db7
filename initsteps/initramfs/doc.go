// Package initramfs is pkinit as the first program of the kernel: it mounts what a program needs, loads modules, waits
// for the root file system, makes it the root, runs the steps of package initsteps in it and starts the real init.
//
// Its one rule: the boot goes on. What is not as it should be is a line on the console and a problem in the report;
// only where there is no root file system to go on with does it wait, say so, and start over with a reboot.
package initramfs
