package debian

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// comparison tells how a tree differs from the one that is wanted.
type comparison struct {
	t         *testing.T
	want, got side
	latest    time.Time // after which the times of a build are cut off
}

// side is one of the trees of a comparison.
type side struct {
	tree  *tree.Tree
	nodes map[string]*tree.Node
	links map[*tree.Node][]string // names of one inode
}

// difference is what is different about a path.
type difference struct{ path, what, detail string }

func newComparison(t *testing.T, want, got *tree.Tree) *comparison {
	t.Helper()
	return &comparison{t: t, want: newSide(want), got: newSide(got), latest: latestIn(want)}
}

func newSide(files *tree.Tree) side {
	s := side{files, map[string]*tree.Node{}, map[*tree.Node][]string{}}
	for name, n := range files.Walk() {
		s.nodes[name] = n
		s.links[n] = append(s.links[n], name)
	}
	return s
}

// latestIn is the time of the youngest file.
func latestIn(files *tree.Tree) time.Time {
	latest := time.Time{}
	for _, n := range files.Walk() {
		if n.Type == tree.Regular && n.ModTime.After(latest) {
			latest = n.ModTime
		}
	}
	return latest
}

// differences lists all of them in the order of their paths.
func (c *comparison) differences() []difference {
	c.t.Helper()
	names := slices.AppendSeq(slices.Collect(maps.Keys(c.want.nodes)), maps.Keys(c.got.nodes))
	slices.Sort(names)
	var out []difference
	for _, name := range slices.Compact(names) {
		out = append(out, c.at(name)...)
	}
	return out
}

// at lists the differences at one path.
func (c *comparison) at(name string) (out []difference) {
	c.t.Helper()
	x, y := c.want.nodes[name], c.got.nodes[name]
	if y == nil {
		return []difference{{name, "missing", x.Type.String()}}
	}
	if x == nil {
		return []difference{{name, "additional", y.Type.String()}}
	}
	check := func(what string, same bool, was, is any) {
		if !same {
			out = append(out, difference{name, what, fmt.Sprintf("%v instead of %v", is, was)})
		}
	}
	if x.Type != y.Type {
		check("type", false, x.Type, y.Type)
		return out
	}
	check("mode", x.Mode == y.Mode, fmt.Sprintf("%04o", x.Mode), fmt.Sprintf("%04o", y.Mode))
	was, is := c.want.owner(c.t, x), c.got.owner(c.t, y)
	check("owner", was == is, was, is)
	check("target", x.Target == y.Target, x.Target, y.Target)
	check("attributes", maps.Equal(x.Xattrs, y.Xattrs), x.Xattrs, y.Xattrs)
	check("links", slices.Equal(c.want.links[x], c.got.links[y]), c.want.links[x], c.got.links[y])
	check("device", x.Major == y.Major && x.Minor == y.Minor, x.Major, y.Major)
	if x.Type == tree.Regular {
		late := !x.ModTime.Before(c.latest) && !y.ModTime.Before(c.latest)
		check("time", late || x.ModTime.Equal(y.ModTime), x.ModTime, y.ModTime)
		check("content", c.sameContent(name, x, y), x.Content.Size, y.Content.Size)
	}
	return out
}

func (c *comparison) sameContent(name string, x, y *tree.Node) bool {
	c.t.Helper()
	if slices.Contains([]string{"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"}, name) {
		return slices.Equal(c.want.accounts(c.t, name), c.got.accounts(c.t, name))
	}
	if path.Dir(name) == dpkgDir+"/triggers" { // a line for each interest, in the order in which packages were unpacked
		return slices.Equal(sortedLines(c.read(x)), sortedLines(c.read(y)))
	}
	return x.Content.Size == y.Content.Size && bytes.Equal(c.read(x), c.read(y))
}

func sortedLines(text []byte) []string { return slices.Sorted(strings.Lines(string(text))) }

func (c *comparison) read(n *tree.Node) []byte {
	c.t.Helper()
	data, err := io.ReadAll(n.Content.Reader())
	require.NoError(c.t, err)
	return data
}

// owner names the owner and the group of a file, as far as the tree's accounts do.
func (s side) owner(t *testing.T, n *tree.Node) string {
	t.Helper()
	return s.account(t, "etc/passwd", n.UID) + ":" + s.account(t, "etc/group", n.GID)
}

func (s side) account(t *testing.T, file string, id uint32) string {
	t.Helper()
	if id == 0 {
		return "root"
	}
	text, err := s.tree.ReadFile(file)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Split(line, ":"); len(fields) > 2 && fields[2] == strconv.Itoa(int(id)) {
			return fields[0]
		}
	}
	return strconv.Itoa(int(id))
}

// accounts lists the accounts of a file in alphabetical order and without the numbers that packages were given.
func (s side) accounts(t *testing.T, file string) []string {
	t.Helper()
	text, err := s.tree.ReadFile(file)
	require.NoError(t, err)
	var out []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if file == "etc/passwd" {
			fields[3] = s.account(t, "etc/group", number(t, fields[3]))
		}
		if file == "etc/passwd" || file == "etc/group" {
			fields[2] = kindOfNumber(number(t, fields[2]))
		}
		out = append(out, strings.Join(fields, ":"))
	}
	slices.Sort(out)
	return out
}

func number(t *testing.T, text string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err)
	return uint32(n)
}

// kindOfNumber keeps the numbers of accounts that Debian gives to everybody, and says of others which kind they are of:
// https://www.debian.org/doc/debian-policy/ch-opersys.html#uid-and-gid-classes.
func kindOfNumber(n uint32) string {
	switch {
	case n >= 100 && n < 1000:
		return "of a service"
	case n >= 1000 && n < 60000:
		return "of a person"
	}
	return strconv.Itoa(int(n))
}
