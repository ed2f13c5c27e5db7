// Package layout writes container images for other programs as OCI image layouts: directories with several images, or archives
// with one. It creates no layers and reads no images.
// https://github.com/opencontainers/image-spec/blob/main/image-layout.md
package layout

import (
	"fmt"
	"regexp"
	"strings"
)

// Target is the OCI layout, a directory or a tar archive, to which a container image is written.
type Target struct {
	Archive bool // a tar archive of a layout with this image only
	Path    string
	Tag     string // of the image in the layout; empty: none
}

// tagPattern matches the references that the specification allows: tags such as 2.0, and names such as docker.io/x/y:2.0.
var tagPattern = regexp.MustCompile(`^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$`)

// Transports are the transports of targets, named as in skopeo.
var Transports = []string{"oci", "oci-archive"}

// Parse parses an output of the form oci:DIR[:TAG] or oci-archive:FILE[:TAG]. Without TAG the target has no tag. Parse
// fails for another form and for an invalid tag; it does not look at the path.
func Parse(text string) (t Target, err error) {
	transport, rest, _ := strings.Cut(text, ":")
	switch transport {
	case "oci":
	case "oci-archive":
		t.Archive = true
	default:
		return t, fmt.Errorf("%q is not a target for an image; write oci:DIR[:TAG] or oci-archive:FILE[:TAG]", text)
	}
	var tagged bool
	t.Path, t.Tag, tagged = strings.Cut(rest, ":")
	switch {
	case t.Path == "":
		return t, fmt.Errorf("image target %q lacks a path; write %s:PATH[:TAG]", text, transport)
	case tagged && !tagPattern.MatchString(t.Tag):
		return t, fmt.Errorf("image tag %q is invalid; write one such as 2.0 or example.org/name:2.0", t.Tag)
	}
	return t, nil
}

// String returns the target in the form that Parse parses.
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
