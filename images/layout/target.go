// Package layout writes container images where other programs take them from: as OCI image layouts, in directories that
// hold several of them, and in archives that hold one.
//
// It writes what it is given: it makes no layers and reads no images.
// https://github.com/opencontainers/image-spec/blob/main/image-layout.md
package layout

import (
	"fmt"
	"regexp"
	"strings"
)

// Target is a place for an image.
type Target struct {
	Archive bool // a tar archive of a layout, for this image alone
	Path    string
	Tag     string // by which the image is found there; empty: it has none
}

// tag is what the specification lets a reference be: a tag such as 2.0, or a whole name such as docker.io/x/y:2.0.
var tag = regexp.MustCompile(`^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$`)

// Transports are the kinds of places, as skopeo and others name them.
var Transports = []string{"oci", "oci-archive"}

// Parse reads a place in the form oci:DIR[:TAG] or oci-archive:FILE[:TAG].
func Parse(text string) (t Target, err error) {
	transport, rest, _ := strings.Cut(text, ":")
	switch transport {
	case "oci":
	case "oci-archive":
		t.Archive = true
	default:
		return t, fmt.Errorf("%q is no place for an image; write oci:DIR[:TAG] or oci-archive:FILE[:TAG]", text)
	}
	var tagged bool
	t.Path, t.Tag, tagged = strings.Cut(rest, ":")
	switch {
	case t.Path == "":
		return t, fmt.Errorf("%q names no path; write %s:PATH[:TAG]", text, transport)
	case tagged && !tag.MatchString(t.Tag):
		return t, fmt.Errorf("%q is no tag; write one such as 2.0 or example.org/name:2.0", t.Tag)
	}
	return t, nil
}

// String is the place in the form that Parse reads.
func (t Target) String() string {
	out := Transports[0] + ":" + t.Path
	if t.Archive {
		out = Transports[1] + ":" + t.Path
	}
	if t.Tag != "" {
		out += ":" + t.Tag
	}
	return out
}
