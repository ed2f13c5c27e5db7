package builder

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers"
)

// imageRecord is the record in the cache of an image: its inputs, and the identity of its files.
type imageRecord struct {
	Plan     string            `json:"plan"`   // digest of the plan and of pkbuild itself
	Layers   []time.Time       `json:"layers"` // when the cached layers were built
	Files    map[string]string `json:"files"`  // identity by absolute path
	Result   disk.Result       `json:"result"`
	Warnings []Event           `json:"warnings,omitempty"`
}

// upToDate reports whether the image exists as this build would write it, with all its cached layers, and repeats the
// warnings of the build that wrote it. An image with a secret is never up to date, since no record of the secret's value
// may exist.
func (b *build) upToDate() bool {
	file, r, ok := b.fingerprint()
	if !ok {
		return false
	}
	text, err := os.ReadFile(file)
	old := imageRecord{}
	if err != nil || json.Unmarshal(text, &old) != nil || old.Plan != r.Plan || len(old.Files) == 0 {
		return false
	}
	for name, was := range old.Files {
		if is, err := identity(name); err != nil || is != was {
			return false
		}
	}
	if times, err := b.layerTimes(); err != nil || !slices.EqualFunc(times, old.Layers, time.Time.Equal) {
		return false
	}
	e := b.begin("disk")
	for _, warning := range old.Warnings {
		b.emit(warning)
	}
	e.Message = b.out.Path + " is up to date"
	b.result = old.Result
	b.end(e, true, nil)
	return true
}

// layerTimes returns when each cached layer was built. The error is fs.ErrNotExist if one is missing.
func (b *build) layerTimes() ([]time.Time, error) {
	var out []time.Time
	key := layers.Root(b.plan.Date)
	stored := b.plan.stored()
	for i, l := range b.plan.Layers {
		var err error
		if key, err = layers.KeyOf(l.Layer, key); err != nil {
			return nil, err
		}
		if !stored[i] {
			continue
		}
		if err := b.store.Touch(key); err != nil {
			return nil, err
		}
		r, err := b.store.Record(key)
		if err != nil {
			return nil, err
		}
		out = append(out, r.Made)
	}
	return out, nil
}

// saveImageRecord records the image that was written. A read-only cache records nothing.
func (b *build) saveImageRecord() error {
	file, r, ok := b.fingerprint()
	if !ok {
		return nil
	}
	times, err := b.layerTimes()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a layer was pruned during the build
	}
	if err != nil {
		return err
	}
	r.Layers, r.Files, r.Result, r.Warnings = times, map[string]string{}, b.result, b.warnings
	for _, name := range []string{b.out.Path, disk.BlockMapName(b.out.Path), b.out.Path + ".sha256"} {
		abs, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		if r.Files[abs], err = identity(abs); err != nil {
			return err
		}
	}
	return writeRecord(file, r)
}

// fingerprint returns the file of this image's record and a record with its inputs; ok is false if the image must not be
// recorded.
func (b *build) fingerprint() (file string, r imageRecord, ok bool) {
	for name := range b.plan.Secrets {
		if value, err := b.secret(name); err != nil || len(value) > 0 {
			return "", r, false
		}
	}
	output, err := filepath.Abs(b.out.Path)
	if err != nil {
		return "", r, false
	}
	program, err := os.Executable()
	if err != nil {
		return "", r, false
	}
	self, err := identity(program)
	if err != nil {
		return "", r, false
	}
	plan, err := json.Marshal(struct {
		Plan        *Plan
		Compression disk.Compression
		Program     string
	}{b.plan, b.out.Compression, self})
	if err != nil {
		return "", r, false
	}
	r.Plan = fmt.Sprintf("%x", sha256.Sum256(plan))
	return filepath.Join(b.Cache, "builds", fmt.Sprintf("image-%.12x.json", sha256.Sum256([]byte(output)))), r, true
}

// identity returns a text that changes with every change of a file. It contains the inode's change time, which programs
// cannot set.
func identity(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("file system of %s does not report inode numbers", name)
	}
	return fmt.Sprintf("%d %d %d %d.%09d", s.Dev, s.Ino, s.Size, s.Ctim.Sec, s.Ctim.Nsec), nil
}
