package debian

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Package is one version of a Debian package, with the URL and SHA-256 of its .deb file.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"` // "all" or a processor's
	URL          string `json:"url"`          // without a scheme: relative to the mirror of the suite's archive
	SHA256       string `json:"sha256"`
	Size         int64  `json:"size"` // in bytes
}

func (p Package) String() string { return p.Name + " " + p.Version + " (" + p.Architecture + ")" }

// Lock lists the exact package files of a layer, and of the tools that its build needs. Both lists are in alphabetical
// order.
type Lock struct {
	Packages []Package `json:"packages"` // what is installed
	Tools    []Package `json:"tools"`    // of the building machine's architecture: they leave no trace in the tree
}

// relative returns the path of a package below the URL of a mirror.
func relative(mirror, name string) string {
	mirror = strings.TrimSuffix(mirror, "/") + "/"
	if dir, ok := strings.CutPrefix(mirror, "file://"); ok {
		mirror = "file:" + dir // as apt writes it
	}
	return strings.TrimPrefix(name, mirror)
}

// from returns the URL of a package on a mirror.
func (p Package) from(mirror string) Package {
	if !strings.Contains(p.URL, ":") {
		p.URL = strings.TrimSuffix(mirror, "/") + "/" + p.URL
	}
	return p
}

// uri matches a line of `apt-get --print-uris`: 'URL' file size algorithm:digest.
var uri = regexp.MustCompile(`^'([^']+)' ([^ ]+) ([0-9]+) SHA256:([0-9a-f]{64})$`)

// parseURIs parses the output of `apt-get --print-uris`: packages in the order of installation. Apt escapes the colon of an
// epoch in file names.
func parseURIs(output string) ([]Package, error) {
	var out []Package
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "'") {
			continue
		}
		m := uri.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("apt prints a file without a SHA-256: %s", line)
		}
		fields := strings.Split(strings.TrimSuffix(path.Base(m[2]), ".deb"), "_")
		if len(fields) != 3 {
			return nil, fmt.Errorf("apt prints a file name that is not NAME_VERSION_ARCHITECTURE.deb: %s", m[2])
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
