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

// trace is something of the building machine or of the build that may not be in an image.
type trace struct {
	pattern string // as in path.Match, or a directory and all below it where it ends in a slash
	what    string
	counts  func(n *tree.Node) bool
}

func isRegular(n *tree.Node) bool  { return n.Type == tree.Regular }
func isHosts(n *tree.Node) bool    { return isRegular(n) && sameAs(n.Content, "/etc/resolv.conf") }
func hasContent(n *tree.Node) bool { return n.Type == tree.Regular && n.Content.Size > 0 }
func isNoDir(n *tree.Node) bool    { return n.Type != tree.Directory }

var traces = []trace{
	{"etc/resolv.conf", "the name servers of the building machine", isHosts}, // a script may write its own
	{"etc/machine-id", "an ID that all devices would share", hasContent},
	{"var/lib/dbus/machine-id", "an ID that all devices would share", hasContent},
	{"etc/ssh/ssh_host_*", "a key that all devices would share", isRegular},
	{"var/lib/systemd/random-seed", "a seed that all devices would share", isRegular},
	{"var/lib/systemd/credential.secret", "a secret that all devices would share", isRegular},
	{"usr/sbin/policy-rc.d", "a ban on starting services", isRegular},
	{"usr/lib/pkbuild/", "a tool of the build", isNoDir},
	{"var/log/", "a log of the build", hasContent}, // empty ones have owners and modes to keep, such as those of wtmp
	{"tmp/", "a temporary file of the build", isNoDir},
	{"var/tmp/", "a temporary file of the build", isNoDir},
	{"run/", "a temporary file of the build", isNoDir},
	{"var/cache/apt/", "a cache of the build", isNoDir},
	{"var/lib/apt/lists/", "a cache of the build", isNoDir},
	{"var/cache/ldconfig/aux-cache", "a cache of the build", isNoDir},
}

// sameAs tells whether a content is that of a file of the building machine.
func sameAs(c tree.Content, file string) bool {
	own, err := os.ReadFile(file)
	if err != nil || c.Size != int64(len(own)) {
		return false
	}
	text, err := io.ReadAll(c.Reader())
	return err == nil && bytes.Equal(text, own)
}

// Traces fails on what tells of the building machine, or of a build that began at a time and ends now, in the tree that
// is to become a layer. Programs of the building machine are what Run fails on.
func Traces(t *tree.Tree, began time.Time) error {
	now := time.Now()
	var errs []error
	for name, n := range t.Walk() {
		for _, tr := range traces {
			if tr.matches(name) && tr.counts(n) {
				errs = append(errs, fmt.Errorf("the build left /%s: %s", name, tr.what))
			}
		}
		if !n.ModTime.Before(began) && !n.ModTime.After(now) {
			errs = append(errs, fmt.Errorf("the build left its time on /%s: %s", name, n.ModTime.UTC().Format(time.RFC3339)))
		}
	}
	return errors.Join(errs...)
}

func (tr trace) matches(name string) bool {
	if strings.HasSuffix(tr.pattern, "/") {
		return strings.HasPrefix(name, tr.pattern)
	}
	ok, err := path.Match(tr.pattern, name)
	return ok && err == nil
}
