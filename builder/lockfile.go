package builder

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers/debian"
)

// lockVersion is the version of the format of lock files: lines of words, each with the kind of the line first. Lines
// that start with # and empty lines mean nothing.
const lockVersion = "1"

// Format is the text of a lock for a recipe. Equal locks give equal texts, and what changed in one package is one line.
func (l *Lock) Format(recipe string) []byte {
	var out bytes.Buffer
	name := filepath.Base(recipe)
	fmt.Fprintf(&out, "# What the image of %s is made of. Written by `pkbuild lock %s`: run that again rather than edit this.\n", name, name)
	fmt.Fprintf(&out, "version %s\n\n# what was asked for\n", lockVersion)
	for _, line := range l.For {
		fmt.Fprintf(&out, "for %s\n", line)
	}
	deb := func(kind string, pkgs []debian.Package) {
		for _, p := range pkgs {
			fmt.Fprintf(&out, "%s %s %s %s %d %s %s\n", kind, p.Name, p.Version, p.Architecture, p.Size, p.SHA256, p.URL)
		}
	}
	out.WriteString("\n# name, version, architecture, size in bytes, SHA-256, and URL, where it is relative: on any mirror\n")
	deb("package", l.Debian.Packages)
	for _, pkgs := range l.Over {
		out.WriteString("\n# likewise, of the next layer of packages\nover\n")
		deb("package", pkgs)
	}
	if len(l.Debian.Tools) > 0 {
		out.WriteString("\n# likewise, of what runs on the building machine and leaves no trace in the image\n")
		deb("tool", l.Debian.Tools)
	}
	if len(l.Pallets) > 0 {
		out.WriteString("\n# SHA-256 of the contents, commit or -, and path\n")
	}
	for _, p := range l.Pallets {
		commit := p.Commit
		if commit == "" {
			commit = "-"
		}
		fmt.Fprintf(&out, "pallet %s %s %s\n", p.SHA256, commit, p.Path)
	}
	if len(l.Downloads) > 0 {
		out.WriteString("\n# SHA-256 of the file or of the image's manifest, type, and address of what pallets download\n")
	}
	for _, d := range l.Downloads {
		fmt.Fprintf(&out, "download %s %s %s\n", d.SHA256, d.Type, d.URL)
	}
	if len(l.Images) > 0 {
		out.WriteString("\n# digest of the manifest or of the index, and name of a container image\n")
	}
	for _, i := range l.Images {
		fmt.Fprintf(&out, "image %s %s\n", i.Digest, i.Name)
	}
	return out.Bytes()
}

// WriteLock writes the lock file of a recipe.
func WriteLock(recipe string, l *Lock) error {
	return atomicfile.Write(LockName(recipe), l.Format(recipe), 0o644)
}

// ReadLock reads the lock file of a recipe; nil if there is none.
func ReadLock(recipe string) (*Lock, error) {
	data, err := os.ReadFile(LockName(recipe))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseLock(LockName(recipe), data)
}

// ParseLock reads the text of a lock. Errors begin with the name and the number of the line.
func ParseLock(name string, data []byte) (*Lock, error) {
	l := &Lock{}
	in := bufio.NewScanner(bytes.NewReader(data))
	in.Buffer(nil, 1<<20)
	version := ""
	for number := 1; in.Scan(); number++ {
		line := in.Text()
		kind, rest, _ := strings.Cut(line, " ")
		err := error(nil)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case kind == "version":
			version = rest
			if version != lockVersion {
				err = fmt.Errorf("the format has version %s, and this pkbuild knows version %s", rest, lockVersion)
			}
		case version == "":
			err = errors.New("the file does not begin with its version; is it a lock?")
		default:
			err = l.parse(kind, rest)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if version == "" || len(l.For) == 0 || len(l.Debian.Packages) == 0 && !l.over() {
		return nil, fmt.Errorf("%s: the lock is incomplete; make it anew", name)
	}
	return l, nil
}

// over tells whether the lock is of packages over a vendor's image, which may need none.
func (l *Lock) over() bool {
	return slices.ContainsFunc(l.For, func(line string) bool { return strings.HasPrefix(line, "image ") })
}

// parse reads a line, without its kind.
func (l *Lock) parse(kind, rest string) (err error) {
	var p debian.Package
	switch kind {
	case "for":
		l.For = append(l.For, rest)
	case "package":
		p, err = parsePackage(rest)
		into := &l.Debian.Packages
		if n := len(l.Over); n > 0 {
			into = &l.Over[n-1]
		}
		*into = append(*into, p)
	case "over":
		l.Over = append(l.Over, nil)
	case "tool":
		p, err = parsePackage(rest)
		l.Debian.Tools = append(l.Debian.Tools, p)
	case "pallet":
		words := strings.SplitN(rest, " ", 3)
		if len(words) != 3 || !hexDigest.MatchString(words[0]) {
			return errors.New("write pallet SHA256 COMMIT PATH")
		}
		l.Pallets = append(l.Pallets, LockedPallet{words[2], words[0], strings.TrimPrefix(words[1], "-")})
	case "download":
		words := strings.SplitN(rest, " ", 3)
		if len(words) != 3 || !hexDigest.MatchString(words[0]) {
			return errors.New("write download SHA256 TYPE URL")
		}
		l.Downloads = append(l.Downloads, LockedDownload{Type: words[1], URL: words[2], SHA256: words[0]})
	case "image":
		image, err := parseImage(rest)
		if err != nil {
			return err
		}
		l.Images = append(l.Images, image)
	default:
		return fmt.Errorf("%q is no kind of line that this pkbuild knows", kind)
	}
	return err
}

var (
	hexDigest   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
)

func parsePackage(text string) (p debian.Package, err error) {
	words := strings.Split(text, " ")
	if len(words) != 6 {
		return p, fmt.Errorf("%d words are there, not NAME VERSION ARCHITECTURE SIZE SHA256 URL", len(words))
	}
	p = debian.Package{Name: words[0], Version: words[1], Architecture: words[2], SHA256: words[4], URL: words[5]}
	if p.Size, err = strconv.ParseInt(words[3], 10, 64); err != nil || p.Size <= 0 {
		return p, fmt.Errorf("%q is no size in bytes", words[3])
	}
	switch {
	case !packageName.MatchString(p.Name):
		return p, fmt.Errorf("%q is no name of a package", p.Name)
	case p.Version == "" || strings.Contains(p.Version, "/"):
		return p, fmt.Errorf("%q is no version", p.Version)
	case !packageName.MatchString(p.Architecture):
		return p, fmt.Errorf("%q is no architecture", p.Architecture)
	case !hexDigest.MatchString(p.SHA256):
		return p, fmt.Errorf("%q is no SHA-256", p.SHA256)
	case p.URL == "":
		return p, errors.New("the URL is missing")
	}
	return p, nil
}
