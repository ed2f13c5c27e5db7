// Package overlays says what an overlay mount is: its source, its layers, whether the kernel can take it, how its
// options are written for mount(2) and how they are read back from /proc/self/mountinfo.
//
// It mounts nothing and imports the standard library only. The kernel's side is described in
// https://docs.kernel.org/filesystems/overlayfs.html
package overlays
