// Package layers makes, keeps and merges the pieces of which a root file system is built.
//
// A Tree is a file system in memory: metadata, and where each content lies. A Layer makes one, given what lies below
// it; a Store keeps what layers made as tar archives, addressed by a Key over everything that went into them. Every
// kind of layer has a file of its own.
//
// The package knows nothing of partitions, disks, recipes or stages, and mounts nothing itself.
package layers
