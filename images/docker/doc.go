// Package docker writes container images as the data directory of a Docker daemon, so that a daemon started with it has the
// images, as if it had pulled them, and created containers. It needs no Docker, and unpacks no files: the contents of the
// tree are in the archives of the layers.
//
// The format is that of the storage driver overlay2, which Docker 20.10 to 29 read. It is documented only in the source,
// https://github.com/moby/moby: layer/filestore.go, image/fs.go, distribution/metadata, daemon/graphdriver/overlay2.
// docs/containers.md describes how archives are read. Equal images give equal trees: IDs that Docker draws at random are
// derived from chain IDs.
//
// The package runs no containers, downloads nothing, and does not read or change a store.
package docker
