// Package initsteps assembles the root file system of a boot: it selects the stage, binds it, lays the overlays over
// /usr and /etc, and reports what became of every step.
//
// A step is a value that knows whether it is done and how to do it; Transactions is the table of them all. A Boot
// runs the table before systemd, or a single step as a systemd service. A step that fails is undone with those before
// it in its transaction, and the boot goes on without them, degraded and saying so.
//
// Paths are those of the running system: whoever runs the table before systemd has made the root file system the root
// of the process first. Package initramfs does that. The operating system is behind one interface, System.
package initsteps
