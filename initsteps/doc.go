// Package initsteps assembles the root file system of a boot: it selects the stage, binds it, mounts the overlays on
// /usr and /etc, and reports the result of every step.
//
// A step is a value that knows whether it is done and how to do it; Transactions is the table of all steps. A Boot runs
// the table before systemd, or a single step as a systemd service. When a step fails, those before it in its transaction
// are undone, and the transaction starts over with the next candidate stage, or the boot goes on without it, degraded.
//
// Paths are those of the running system: package initramfs makes the root file system the root directory of the process
// before it runs the table. The operating system is behind one interface, System.
package initsteps
