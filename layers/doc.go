// Package layers makes and caches the layers of a root file system.
//
// A Layer makes a tree over the tree of the layers below it. A Store caches the trees as tar archives under their cache
// keys, hashes of all their inputs. Each kind of layer has a file or a package of its own.
//
// The package knows nothing of partitions, disks, recipes or stages, and mounts nothing itself.
package layers
