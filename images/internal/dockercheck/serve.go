package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/internal/registrytest"
)

// serve serves the images in a layout as a registry until the process ends. Pushed blobs are added to the layout.
func serve(dir, address string) error {
	r := &registrytest.Registry{Dir: filepath.Join(dir, v1.ImageBlobsDir, "sha256")}
	all, err := readIndex(dir)
	if err != nil {
		return err
	}
	for _, d := range all {
		repository, tag, tagged := strings.Cut(d.Annotations[v1.AnnotationRefName], ":")
		if !tagged {
			return fmt.Errorf("%s: image %s has no tag", dir, d.Digest)
		}
		manifest, err := os.ReadFile(blobFile(dir, d.Digest))
		if err != nil {
			return err
		}
		r.Put(repository, tag, d.MediaType, manifest)
	}
	at, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return errors.Join(http.Serve(at, r), at.Close())
}
