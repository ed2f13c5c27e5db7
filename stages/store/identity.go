package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"

	"github.com/PlanktoScope/pkbuild/stages"
)

// Digest tells bundles apart: it is that of the file of digests of a stage, or of the one that it would have where it was
// staged by a tool that writes none. Of a bundle without a manifest the error is fs.ErrNotExist.
// It has the form sha256:HEX.
func Digest(store fs.FS, stage int) (string, error) {
	data, err := Digests(store, stage)
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), err
}

// Digests is the file of digests of a stage, or the one that it would have.
func Digests(store fs.FS, stage int) ([]byte, error) {
	bundle, err := fs.Sub(store, bundleDir(stage))
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(bundle, stages.ManifestFile); err != nil {
		return nil, err
	}
	data, err := fs.ReadFile(bundle, DigestFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	var entries []Entry
	err = fs.WalkDir(bundle, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		e, err := found(bundle, name, d)
		if name == stages.ManifestFile {
			e.Mode = octal(0o644) // as it is written into every bundle
		}
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return MarshalDigests(entries)
}
