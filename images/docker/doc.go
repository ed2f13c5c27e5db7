// Package docker writes what Docker keeps in its data directory, with images in it, as a tree: a Docker that is started
// over it has the images, as if it had pulled them. No Docker takes part, and nothing is unpacked into directories: the
// contents of the tree lie in the archives of the layers.
//
// The format is that of the storage driver overlay2, which Docker 20.10 to 29 read. Docker documents it nowhere; the
// names here are those of its source, https://github.com/moby/moby: layer/filestore.go, image/fs.go,
// distribution/metadata, daemon/graphdriver/overlay2. How an archive is read is in docs/containers.md. Equal images give
// equal trees: what Docker draws at random is derived from the chain IDs of the layers.
//
// The package makes no containers, fetches nothing, and does not read or change a store.
package docker
