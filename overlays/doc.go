// Package overlays describes overlay mounts: their layers, whether the kernel would accept them, their options for
// mount(2) and in /proc/self/mountinfo, and the directories that they use on the device.
//
// It mounts nothing and imports the standard library only. See https://docs.kernel.org/filesystems/overlayfs.html.
package overlays
