package debian

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Package is one .deb of an archive, pinned by its digest.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"` // "all" or a processor's
	URL          string `json:"url"`          // without a scheme: relative to the mirror of the suite's archive
	SHA256       string `json:"sha256"`
	Size         int64  `json:"size"` // in bytes
}

func (p Package) String() string { return p.Name + " " + p.Version + " (" + p.Architecture + ")" }

// Lock pins every .deb that a tree is made with, so that making it resolves nothing. Both lists are in alphabetical
// order.
type Lock struct {
	Packages []Package `json:"packages"` // what is installed
	Tools    []Package `json:"tools"`    // of the building machine's architecture: they leave no trace in the tree
}

// relative is the URL of a package as it is on every mirror.
func relative(mirror, name string) string {
	mirror = strings.TrimSuffix(mirror, "/") + "/"
	if dir, ok := strings.CutPrefix(mirror, "file://"); ok {
		mirror = "file:" + dir // as apt writes it
	}
	return strings.TrimPrefix(name, mirror)
}

// from is where a mirror has a package.
func (p Package) from(mirror string) Package {
	if !strings.Contains(p.URL, ":") {
		p.URL = strings.TrimSuffix(mirror, "/") + "/" + p.URL
	}
	return p
}

// uri is a line of `apt-get --print-uris`: 'URL' file size algorithm:digest.
var uri = regexp.MustCompile(`^'([^']+)' ([^ ]+) ([0-9]+) SHA256:([0-9a-f]{64})$`)

// parseURIs reads what apt would download, in its order of installation. apt escapes the colon of an epoch in names of
// files.
func parseURIs(output string) ([]Package, error) {
	var out []Package
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "'") {
			continue
		}
		m := uri.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("apt names a file without a SHA-256: %s", line)
		}
		fields := strings.Split(strings.TrimSuffix(path.Base(m[2]), ".deb"), "_")
		if len(fields) != 3 {
			return nil, fmt.Errorf("apt names a file that is not NAME_VERSION_ARCHITECTURE.deb: %s", m[2])
		}
		version, err := url.PathUnescape(fields[1])
		if err != nil {
			return nil, fmt.Errorf("version in %s: %w", m[2], err)
		}
		size, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("size in %q: %w", line, err)
		}
		out = append(out, Package{
			Name: fields[0], Version: version, Architecture: fields[2],
			URL: m[1], SHA256: m[4], Size: size,
		})
	}
	return out, nil
}
