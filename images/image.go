// Package images holds what container images are to a build: which there are, by digest, and where their parts lie.
//
// Blobs keeps the parts, Parse and Choose read manifests. images/source brings images there, images/docker writes them as
// Docker's store. The package runs no container, asks no registry and needs no daemon.
//
// The formats are those of https://github.com/opencontainers/image-spec and, of the same shape,
// https://distribution.github.io/distribution/spec/manifest-v2-2/.
package images

import "github.com/opencontainers/go-digest"

// Image is a container image of one platform. Its parts lie in a Blobs.
type Image struct {
	Names []string // by which it is known, such as docker.io/library/caddy:2.8; sorted
	// Digest is what a name or a lock stands for: that of the manifest or, where the manifest was chosen from an index of
	// several platforms, that of the index. `docker pull NAME@Digest` finds the same image.
	Digest   digest.Digest
	Manifest []byte
	Config   []byte  // whose digest is the image's ID
	Layers   []Layer // the base first
}

// ID is the digest by which Docker knows the image: that of its configuration.
func (i Image) ID() digest.Digest { return digest.FromBytes(i.Config) }

// Layer is one layer of an image: a tar archive, compressed or not.
type Layer struct {
	Digest    digest.Digest // of the blob as it was distributed
	DiffID    digest.Digest // of the archive without compression
	Size      int64         // of the blob in bytes; -1: not known
	MediaType string
}
