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

// Layer is one piece of the root file system, as plain data: its exported fields, in JSON, are all that decides what
// it makes, besides what lies below it and the contents that the fields name by digest.
type Layer interface {
	Kind() Kind
	// Make returns the entries that the layer adds to, replaces in or deletes from the tree below.
	Make(ctx context.Context, env *Env, below *tree.Tree) (*tree.Tree, error)
}

// Kind names a way of making layers.
type Kind struct {
	Name    string
	Version int // to be raised whenever the same inputs give another tree
	// Code is a digest over scripts and tables of the way that change more often, so that nobody forgets the version.
	Code   string `json:",omitempty"`
	Secret bool   // what it makes holds secrets: made anew for every image, kept in no store
	// Copies means that what it makes may hold what lies below. Over a layer with secrets it is kept in no store either.
	Copies bool `json:",omitempty"`
	// Kept means that what it makes comes from files that outlive the build anyhow, in less time than a store takes: made
	// anew for every image, kept in no store.
	Kept bool `json:",omitempty"`
	// Scratch means that it needs Env.Scratch although it is kept in no store.
	Scratch bool `json:"-"`
}

// Env is what a layer is made with. None of it may change what is made.
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

// Progress is a report from the making of a layer.
type Progress struct {
	Message     string // a line for the log
	Warning     bool   // the message matters even to the quiet
	Done, Total int64  // how far, in units of the layer's own; Total 0: unknown
}

// Report passes a progress on to whoever wants it.
func (e *Env) Report(p Progress) {
	if e.Progress != nil {
		e.Progress(p)
	}
}

// Key addresses a layer by all that went into it.
type Key [sha256.Size]byte

func (k Key) String() string { return hex.EncodeToString(k[:]) }

// ParseKey reads what String writes.
func ParseKey(text string) (k Key, err error) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != len(k) {
		return Key{}, fmt.Errorf("%q is no key of a layer", text)
	}
	return Key(data), nil
}

// Root is the key below the lowest layer: the time of the image, which files have that no layer gives another.
func Root(latest time.Time) Key {
	return sha256.Sum256([]byte("latest " + latest.UTC().Format(time.RFC3339)))
}

// KeyOf is the key of a layer that is made over the layer with the key below.
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
