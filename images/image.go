// Package images reads container images: Blobs stores their blobs by digest, Parse and Choose read manifests and indexes.
// images/source downloads images into a Blobs, images/docker writes them as Docker's store.
//
// The package runs no container, uses no network and needs no daemon. The formats are those of
// https://github.com/opencontainers/image-spec and https://distribution.github.io/distribution/spec/manifest-v2-2/.
package images

import "github.com/opencontainers/go-digest"

// Image is a container image for one platform: names, digest, manifest, configuration and layers.
type Image struct {
	Names []string // such as docker.io/library/caddy:2.8; sorted
	// Digest is that of the index from which the manifest was chosen or, without an index, of the manifest. It is what locks
	// pin, and `docker pull NAME@Digest` pulls the same image.
	Digest   digest.Digest
	Manifest []byte
	Config   []byte
	Layers   []Layer // the base first
}

// ID returns the image ID: the digest of the configuration.
func (i Image) ID() digest.Digest { return digest.FromBytes(i.Config) }

// Layer is a layer of a container image by its digests: a tar archive, which may be compressed.
type Layer struct {
	Digest    digest.Digest // of the blob, which may be compressed
	DiffID    digest.Digest // of the uncompressed archive
	Size      int64         // of the blob in bytes; -1: unknown
	MediaType string
}
