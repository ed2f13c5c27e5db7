// Package tree holds file systems in memory: the metadata of every entry, and where each content lies.
//
// A Tree is read from and written to tar archives, OCI image layers and directories; Apply lays one tree over another
// as an overlay mount would. The package knows nothing of layers, partitions or disks, and mounts nothing.
//
// Formats: pax(1) and GNU tar archives, https://github.com/opencontainers/image-spec/blob/main/layer.md for the changes
// between two trees, https://docs.kernel.org/filesystems/overlayfs.html for whiteouts and opaque directories.
package tree
