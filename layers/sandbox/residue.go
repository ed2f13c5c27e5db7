package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// residue describes files of the building machine or of the build that an image must not contain.
type residue struct {
	pattern string // as in path.Match; with a slash at the end: a directory and everything below it
	what    string
	applies func(n *tree.Node) bool
}

func isRegular(n *tree.Node) bool { return n.Type == tree.Regular }
func isMachinesResolver(n *tree.Node) bool {
	return isRegular(n) && sameAs(n.Content, "/etc/resolv.conf")
}
func hasContent(n *tree.Node) bool     { return n.Type == tree.Regular && n.Content.Size > 0 }
func isNotDirectory(n *tree.Node) bool { return n.Type != tree.Directory }

var residues = []residue{
	{"etc/resolv.conf", "the name servers of the building machine", isMachinesResolver}, // a script may write its own
	{"etc/machine-id", "an ID that all devices would share", hasContent},
	{"var/lib/dbus/machine-id", "an ID that all devices would share", hasContent},
	{"etc/ssh/ssh_host_*", "a key that all devices would share", isRegular},
	{"var/lib/systemd/random-seed", "a seed that all devices would share", isRegular},
	{"var/lib/systemd/credential.secret", "a secret that all devices would share", isRegular},
	{"usr/sbin/policy-rc.d", "a ban on starting services", isRegular},
	{"usr/lib/pkbuild/", "a tool of the build", isNotDirectory},
	{"var/log/", "a log of the build", hasContent}, // empty ones have owners and modes to keep, such as those of wtmp
	{"tmp/", "a temporary file of the build", isNotDirectory},
	{"var/tmp/", "a temporary file of the build", isNotDirectory},
	{"run/", "a temporary file of the build", isNotDirectory},
	{"var/cache/apt/", "a cache of the build", isNotDirectory},
	{"var/lib/apt/lists/", "a cache of the build", isNotDirectory},
	{"var/cache/ldconfig/aux-cache", "a cache of the build", isNotDirectory},
}

// sameAs reports whether a content is that of a file of the building machine.
func sameAs(c tree.Content, file string) bool {
	own, err := os.ReadFile(file)
	if err != nil || c.Size != int64(len(own)) {
		return false
	}
	text, err := io.ReadAll(c.Reader())
	return err == nil && bytes.Equal(text, own)
}

// CheckResidue returns an error if a tree that is to become a layer contains what no layer may have, such as keys and IDs
// that all devices would share, logs, temporary files, caches and tools of the build, or modification times between began,
// the start of the build, and now. The error names each file. That no program of the building machine is left is checked by
// Run.
func CheckResidue(t *tree.Tree, began time.Time) error {
	now := time.Now()
	var errs []error
	for name, n := range t.Walk() {
		for _, r := range residues {
			if r.matches(name) && r.applies(n) {
				errs = append(errs, fmt.Errorf("the build left /%s: %s", name, r.what))
			}
		}
		if !n.ModTime.Before(began) && !n.ModTime.After(now) {
			errs = append(errs, fmt.Errorf("the build left its time on /%s: %s", name, n.ModTime.UTC().Format(time.RFC3339)))
		}
	}
	return errors.Join(errs...)
}

func (r residue) matches(name string) bool {
	if strings.HasSuffix(r.pattern, "/") {
		return strings.HasPrefix(name, r.pattern)
	}
	ok, err := path.Match(r.pattern, name)
	return ok && err == nil
}
