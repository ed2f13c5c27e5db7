// Package ext4 writes a layers/tree Tree as an ext4 file system and reads one into a Tree: without root, mounts or
// other programs. The same tree gives the same bytes.
//
// Writing takes three steps. The survey numbers the inodes and sizes each; the layout assigns every block for a given
// file system size; the writer then writes once, front to back. Blocks that no reader depends on stay holes: what must
// be zero, such as the journal, is written as zeroes; inode tables are written up to the last inode in use and left for
// the kernel's lazy initialization (the group is not marked INODE_ZEROED). The format is that of mke2fs 1.47's defaults
// (4 KiB blocks, 256-byte inodes, extents, 64bit, flex_bg, metadata_csum, a journal), with group descriptors reserved
// for growth to 2 TiB.
//
// Reading takes any block and inode size and the features of features.go. Metadata is read at once; file contents stay
// in the image. The reader checks everything that could make it loop, allocate without bound or read outside of the
// file system, but verifies no checksums: images are verified as a whole. It does not replay journals.
//
// The package does not change existing file systems, and does not support the block maps of ext2 and ext3, inline data,
// bigalloc, encryption, verity or case folding. https://docs.kernel.org/filesystems/ext4/ describes the format and names
// the structures and fields used here.
package ext4
