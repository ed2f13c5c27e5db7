package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// image is the image that all contenders pull.
type image struct {
	manifest         []byte
	unpacked, packed int64 // bytes of all layers
}

// digest returns the digest of the manifest.
func (i image) digest() digest.Digest { return digest.FromBytes(i.manifest) }

// generate writes the blobs of an image to a directory, named by their digests.
func generate(ctx context.Context, dir string, count int, size int64) (out image, err error) {
	descriptors, ids := make([]v1.Descriptor, count), make([]digest.Digest, count)
	var unpacked, packed atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range count {
		g.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			descriptors[i], ids[i], err = generateLayer(dir, uint64(i), size)
			packed.Add(descriptors[i].Size)
			unpacked.Add(size)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return out, err
	}
	config, err := blob(dir, v1.MediaTypeImageConfig, v1.Image{
		Platform: v1.Platform{OS: "linux", Architecture: "arm64"}, RootFS: v1.RootFS{Type: "layers", DiffIDs: ids},
	})
	if err != nil {
		return out, err
	}
	out.manifest, err = json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: config, Layers: descriptors,
	})
	out.unpacked, out.packed = unpacked.Load(), packed.Load()
	return out, err
}

func blob(dir, mediaType string, v any) (v1.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := digest.FromBytes(data)
	err = os.WriteFile(filepath.Join(dir, d.Encoded()), data, 0o644)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}, err
}

// generateLayer writes a layer of files, most of them small, which compress like programs and texts.
func generateLayer(dir string, seed uint64, size int64) (d v1.Descriptor, id digest.Digest, err error) {
	f, err := os.CreateTemp(dir, "layer-")
	if err != nil {
		return d, "", err
	}
	defer f.Close()
	packedSum, sum := sha256.New(), sha256.New()
	zipped := gzip.NewWriter(io.MultiWriter(f, packedSum))
	w := tar.NewWriter(io.MultiWriter(zipped, sum))
	random := rand.NewChaCha8([32]byte{byte(seed), 1})
	pick := rand.New(random)
	for n := 0; size > 0; n++ {
		data := content(random, pick, n)
		size -= int64(len(data))
		name := fmt.Sprintf("usr/lib/%d/%d/%d", seed, n/100, n)
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return d, "", err
		}
		if _, err := w.Write(data); err != nil {
			return d, "", err
		}
	}
	if err := w.Close(); err != nil {
		return d, "", err
	}
	if err := zipped.Close(); err != nil {
		return d, "", err
	}
	info, err := f.Stat()
	if err != nil {
		return d, "", err
	}
	d = v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Size: info.Size()}
	d.Digest = digest.NewDigest(digest.SHA256, packedSum)
	return d, digest.NewDigest(digest.SHA256, sum), os.Rename(f.Name(), filepath.Join(dir, d.Digest.Encoded()))
}

// content returns the content of a file: 20 KiB on average, some 4 MiB; a third of it random, the rest words.
func content(random *rand.ChaCha8, pick *rand.Rand, n int) []byte {
	size := 1 + pick.IntN(40<<10)
	if n%400 == 399 {
		size = 4 << 20
	}
	data := make([]byte, size)
	_, _ = random.Read(data) // never fails
	words := []byte("segmenter camera pump focus plankton stage overlay pallet bundle ")
	for at := 0; at < size; at += 96 {
		from := pick.IntN(len(words) / 2)
		for i := at; i < min(at+64, size); i += len(words) - from {
			copy(data[i:min(at+64, size)], words[from:])
		}
	}
	return data
}

// push pushes the manifest as bench:1 to a registry that has the blobs.
func (i image) push(ctx context.Context, host string) error {
	url := "http://" + host + "/v2/bench/manifests/1"
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(i.manifest))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", v1.MediaTypeImageManifest)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("push the manifest: %s", answer.Status)
	}
	return answer.Body.Close()
}
