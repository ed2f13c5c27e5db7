// Package initramfs is pkinit as the first program of the kernel: it mounts what a program needs, loads modules, waits
// for the root file system, makes it the root, runs the steps of package initsteps in it and starts the real init.
//
// The boot goes on whatever fails: an error is a line on the console and a problem in the report. Only without a root
// file system does pkinit reboot, after a wait.
package initramfs
