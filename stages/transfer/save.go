package transfer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
)

// save writes the wanted layers of an image and its configuration.
func (e Exporter) save(a *archive, i Needed, x *Index, wanted map[digest.Digest]bool) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.CloseWithError(e.Docker.Save(a.ctx, string(i.ID), w)) // never fails
	}()
	err := e.copyImage(a, i, x, wanted, tar.NewReader(r))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	_ = r.CloseWithError(err) // never fails, and ends Save
	<-done
	return err
}

// blobPrefix begins the names of files that Docker 25.0 and later saves by digest. Older ones save layers as ID/layer.tar.
const blobPrefix = "blobs/"

// copyImage reads the output of `docker save`. It identifies files by digest, whatever their names and order.
func (e Exporter) copyImage(a *archive, i Needed, x *Index, wanted map[digest.Digest]bool, from *tar.Reader) error {
	config := false
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch {
		case h.Typeflag != tar.TypeReg:
		case h.Size <= maxConfig && (strings.HasSuffix(h.Name, ".json") || strings.HasPrefix(h.Name, blobPrefix)):
			found, err := e.copySmall(a, i, x, wanted, from)
			if err != nil {
				return err
			}
			config = config || found
		case strings.HasSuffix(h.Name, tarSuffix) || strings.HasPrefix(h.Name, blobPrefix):
			if err := e.copyLayer(a, x, wanted, from); err != nil {
				return err
			}
		}
	}
	if !config {
		return errors.New("docker saved the image without its configuration")
	}
	for _, d := range i.Layers {
		if wanted[d] {
			return fmt.Errorf("docker saved the image without its layer %s", d)
		}
	}
	return nil
}

func (e Exporter) copyLayer(a *archive, x *Index, wanted map[digest.Digest]bool, from io.Reader) error {
	if len(wanted) == 0 {
		return nil
	}
	l, err := a.addLayer(from, e.Compress, wanted)
	if err == nil && l.DiffID != "" {
		x.Layers = append(x.Layers, l)
	}
	return err
}

// copySmall writes a small file if it is the image's configuration, or a layer.
func (e Exporter) copySmall(a *archive, i Needed, x *Index, wanted map[digest.Digest]bool, from io.Reader) (bool, error) {
	data, err := io.ReadAll(from)
	if err != nil {
		return false, err
	}
	if digest.FromBytes(data) == i.ID {
		return true, a.add(configMember(i.ID), data)
	}
	return false, e.copyLayer(a, x, wanted, bytes.NewReader(data))
}
