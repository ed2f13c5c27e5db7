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
	"strings"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers"
)

// writtenImage is what the cache remembers of an image: what it was made from, and how the kernel tells that nobody wrote to
// it or to the files beside it since.
type writtenImage struct {
	Plan     string            `json:"plan"` // digest of the plan, and of the program that obeyed it
	Layers   []time.Time       `json:"layers"`
	Files    map[string]string `json:"files"`
	Result   disk.Result       `json:"result"`
	Warnings []Event           `json:"warnings,omitempty"`
}

// unchanged tells whether the image is there as this build would write it, and all layers that it was made of. Warnings
// are repeated. An image with the value of a secret is written anew, since nothing of that value may be kept to compare
// it with.
func (b *build) unchanged() bool {
	file, w, ok := b.fingerprint()
	if !ok {
		return false
	}
	text, err := os.ReadFile(file)
	old := writtenImage{}
	if err != nil || json.Unmarshal(text, &old) != nil || old.Plan != w.Plan || len(old.Files) == 0 {
		return false
	}
	for name, was := range old.Files {
		if is, err := identity(name); err != nil || is != was {
			return false
		}
	}
	if made, err := b.layersMade(); err != nil || !slices.EqualFunc(made, old.Layers, time.Time.Equal) {
		return false
	}
	e := b.begin("disk")
	for _, warning := range old.Warnings {
		b.emit(warning)
	}
	e.Message = b.opts.Output + " is there already, and nothing changed since"
	b.result = old.Result
	b.end(e, true, nil)
	return true
}

// layersMade is when the layers were made; an error where one is not there any more.
func (b *build) layersMade() ([]time.Time, error) {
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

// noteWritten notes the image that was written now. A cache that is only read notes nothing.
func (b *build) noteWritten() error {
	file, w, ok := b.fingerprint()
	if !ok {
		return nil
	}
	made, err := b.layersMade()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a layer was pruned meanwhile
	}
	if err != nil {
		return err
	}
	w.Layers, w.Files, w.Result, w.Warnings = made, map[string]string{}, b.result, b.warnings
	for _, name := range []string{b.opts.Output, b.bmap(), b.opts.Output + ".sha256"} {
		abs, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		if w.Files[abs], err = identity(abs); err != nil {
			return err
		}
	}
	err = os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = layers.WriteJSON(file, w)
	}
	if readOnly(err) {
		return nil
	}
	return err
}

func (b *build) bmap() string {
	return strings.TrimSuffix(b.opts.Output, b.opts.Compression.Suffix()) + ".bmap"
}

// fingerprint is where the image of this build is remembered, and by what; false where it may not be.
func (b *build) fingerprint() (file string, w writtenImage, ok bool) {
	for name := range b.plan.Secrets {
		if value, err := b.secret(name); err != nil || len(value) > 0 {
			return "", w, false
		}
	}
	output, err := filepath.Abs(b.opts.Output)
	if err != nil {
		return "", w, false
	}
	program, err := os.Executable()
	if err != nil {
		return "", w, false
	}
	self, err := identity(program)
	if err != nil {
		return "", w, false
	}
	plan, err := json.Marshal(struct {
		Plan        *Plan
		Compression disk.Compression
		Program     string
	}{b.plan, b.opts.Compression, self})
	if err != nil {
		return "", w, false
	}
	w.Plan = fmt.Sprintf("%x", sha256.Sum256(plan))
	return filepath.Join(b.opts.Cache, "builds", fmt.Sprintf("image-%.12x.json", sha256.Sum256([]byte(output)))), w, true
}

// identity changes with every change of a file, which nobody can undo: the time of an inode's last change is the
// kernel's.
func identity(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("%s has no inode", name)
	}
	return fmt.Sprintf("%d %d %d %d.%09d", s.Dev, s.Ino, s.Size, s.Ctim.Sec, s.Ctim.Nsec), nil
}
