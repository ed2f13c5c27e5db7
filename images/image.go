// Package images holds what container images are to a build: which there are, by digest, and where their parts lie.
//
// Blobs keeps the parts. images/source brings images there, images/docker writes them as Docker's store. The package
// runs no container and needs no daemon.
package images

import "github.com/opencontainers/go-digest"

// Image is a container image of one platform. Its parts lie in a Blobs.
type Image struct {
	Names    []string      // by which it is known, such as docker.io/library/caddy:2.8; sorted
	Digest   digest.Digest // of its manifest, as its source knows it
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
	Size      int64         // of the blob in bytes
	MediaType string
}
