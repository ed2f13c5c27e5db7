package layers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Layer is one layer of the root file system, as plain data that can be made into a tree. Its exported fields, as JSON,
// are its only inputs besides the tree below it: file contents are named by their digests.
type Layer interface {
	Kind() Kind
	// Make returns the changes to the tree below: added and replaced entries, and whiteouts for deleted ones.
	Make(ctx context.Context, env *Env, below *tree.Tree) (*tree.Tree, error)
}

// Kind is a kind of layer, such as "files", with its version and how its trees may be cached.
type Kind struct {
	Name    string
	Version int // raised whenever equal inputs give another tree
	// Code is a digest of the scripts and tables of the kind, which change more often than Version is raised.
	Code   string `json:",omitempty"`
	Secret bool   // the tree holds secrets: it is made for every image and never cached
	// Copies means that the tree may hold contents of the tree below. Over a layer with secrets it is never cached.
	Copies bool `json:",omitempty"`
	// Kept means that the contents lie in files that outlive the build, and that making the tree is faster than reading it
	// from the cache: it is made for every image and never cached.
	Kept bool `json:",omitempty"`
	// Scratch means that the layer needs Env.Scratch although it is never cached.
	Scratch bool `json:"-"`
}

// Env is the environment in which a layer is made: directories, mirror, secrets and callbacks. The resulting tree does
// not depend on it.
type Env struct {
	Dir      string                                      // the recipe's directory: sources are relative to it
	Helpers  string                                      // directory of the prebuilt helper programs
	Scratch  string                                      // empty directory for the layer's own use
	Keep     bool                                        // what a layer that fails leaves in Scratch is wanted for a look
	Cache    string                                      // directory that outlives the layer, shared between builds
	Shared   string                                      // a cache of somebody else, which is only read; empty: none
	Mirror   string                                      // of Debian, where the layer names none
	Latest   time.Time                                   // the time of the image: no entry is younger
	Secret   func(name string) (value []byte, err error) // nil value: no such secret was given
	Progress func(Progress)                              // may be nil
}

// Progress is a progress report or a warning from a layer that is being made.
type Progress struct {
	Message     string // a line for the log
	Warning     bool   // the message matters even to the quiet
	Done, Total int64  // how far, in units of the layer's own; Total 0: unknown
}

// Report calls e.Progress with a progress report. It does nothing if e.Progress is nil.
func (e *Env) Report(p Progress) {
	if e.Progress != nil {
		e.Progress(p)
	}
}

// Key is the cache key of a layer: a hash of all its inputs.
type Key [sha256.Size]byte

func (k Key) String() string { return hex.EncodeToString(k[:]) }

// ParseKey parses a cache key of 64 hexadecimal digits.
func ParseKey(text string) (k Key, err error) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != len(k) {
		return Key{}, fmt.Errorf("layer key %q is not 64 hexadecimal digits", text)
	}
	return Key(data), nil
}

// Root returns the key that the lowest layer of an image builds on: a hash of the time of the image. No file of the image is
// younger than that time.
func Root(latest time.Time) Key {
	return sha256.Sum256([]byte("latest " + latest.UTC().Format(time.RFC3339)))
}

// KeyOf returns the cache key of a layer on top of the layer whose key is below.
func KeyOf(l Layer, below Key) (Key, error) {
	data, err := json.Marshal(struct {
		Kind  Kind
		Layer Layer
		Below Key
	}{l.Kind(), l, below})
	if err != nil {
		return Key{}, fmt.Errorf("key of %s layer: %w", l.Kind().Name, err)
	}
	return sha256.Sum256(data), nil
}
