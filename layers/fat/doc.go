// Package fat writes a tree of files as a FAT32 file system, and reads one as a tree: without root, mounts or other
// programs, and with the same bytes for the same tree.
//
// A survey checks names and types and chooses the short names, a layout gives clusters to files and directories, and
// Write then writes everything once, front to back. Files are contiguous, in the order of the tree.
//
// FAT has no owners, modes, links, devices or extended attributes. Owners, modes and extended attributes are dropped;
// links and devices are errors, and so are names and sizes that FAT32 cannot hold.
//
// The format is that of Microsoft's "FAT32 File System Specification", 1.03. FAT12 and FAT16 are only read. The package
// neither changes existing file systems nor reads exFAT.
package fat
