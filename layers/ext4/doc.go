// Package ext4 writes a read-write ext4 file system from a layers.Tree into a file: without root, mounts or other
// programs, and the same bytes every time.
//
// It works in three steps. The survey numbers the inodes and knows what each needs; the layout, for a given size, says
// where every block goes; then all is written once, front to back. A block that is not written is one that nobody
// reads, so that the holes of the file need not reach the card: what must be zero, such as the journal, is written as
// zeroes, and inode tables are written as far as they are used, the rest being the kernel's to clear in the
// background (it is not marked as zeroed).
//
// The format is that of mke2fs 1.47's defaults (4 KiB blocks, 256-byte inodes, extents, 64bit, flex_bg,
// metadata_csum, a journal), with group descriptors reserved for growth to 2 TiB. It is described at
// https://docs.kernel.org/filesystems/ext4/, whose names of structures and fields are used here.
//
// The package does not read or change existing file systems, and knows nothing of inline data, bigalloc, encryption,
// verity, quotas or case folding.
package ext4
