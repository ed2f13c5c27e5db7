package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"

	"github.com/PlanktoScope/pkbuild/stages"
)

// Digest returns the digest that identifies a stage's bundle, as sha256:HEX: the SHA-256 of the content that Digests
// returns.
func Digest(store fs.FS, stage int) (string, error) {
	data, err := Digests(store, stage)
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), err
}

// Digests returns the list of the digests of all files of a stage: from the bundle's digest file or, if it has none,
// computed anew. For a bundle without a manifest the error is fs.ErrNotExist.
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
		e, err := readEntry(bundle, name, d)
		if name == stages.ManifestFile {
			e.Mode = octal(0o644) // the mode that Add writes it with
		}
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return MarshalDigests(entries)
}
