package debian

import (
	"crypto/md5"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Paths of the databases of dpkg and apt.
const (
	dpkgDir      = "var/lib/dpkg"
	statusFile   = dpkgDir + "/status"
	diversionsDB = dpkgDir + "/diversions"
	autoFile     = "var/lib/apt/extended_states"
)

// record writes dpkg's database for unpacked packages as `dpkg --unpack` would: status, info and triggers.
func (u *unpacked) record(architecture string, at time.Time) error {
	w := recorder{tree: u.tree, at: at}
	for _, dir := range []string{"", "alternatives", "info", "parts", "triggers", "updates"} {
		w.directory(path.Join(dpkgDir, dir))
	}
	var status, files strings.Builder
	named := map[string]*strings.Builder{}
	status.WriteString(u.status)
	for i, d := range u.debs {
		if i >= u.before {
			status.WriteString(d.status() + "\n")
		}
		w.info(d)
		for _, i := range d.interests() {
			if strings.HasPrefix(i.trigger, "/") {
				files.WriteString(i.trigger + " " + i.by + "\n")
				continue
			}
			if named[i.trigger] == nil {
				named[i.trigger] = &strings.Builder{}
			}
			named[i.trigger].WriteString(i.by + "\n")
		}
	}
	w.file(statusFile, status.String())
	w.file(dpkgDir+"/arch", architecture+"\n")
	w.file(dpkgDir+"/info/format", "1\n")
	w.file(dpkgDir+"/triggers/File", files.String())
	for trigger, packages := range named {
		w.file(dpkgDir+"/triggers/"+trigger, packages.String())
	}
	if activated := u.activated(); activated != "" {
		w.file(dpkgDir+"/triggers/Unincorp", activated)
	}
	return w.err
}

// activated returns the file triggers of earlier batches that the files of this batch activate, as in dpkg's list of triggers
// that it has yet to assign to packages.
func (u *unpacked) activated() string {
	var out strings.Builder
	seen := map[string]bool{}
	for _, d := range u.debs[:u.before] {
		for _, i := range d.interests() {
			if seen[i.trigger] || !strings.HasPrefix(i.trigger, "/") {
				continue
			}
			seen[i.trigger] = true
			if slices.ContainsFunc(u.debs[u.before:], func(d *deb) bool { return d.ships(i.trigger) }) {
				out.WriteString(i.trigger + " -\n")
			}
		}
	}
	return out.String()
}

// ships reports whether a package has a path or anything below it.
func (d *deb) ships(name string) bool {
	return slices.ContainsFunc(d.list, func(file string) bool { return file == name || strings.HasPrefix(file, name+"/") })
}

// status returns the package's paragraph in dpkg's status file.
func (d *deb) status() string {
	text := strings.TrimRight(d.text, "\n") + "\nStatus: install ok unpacked\n"
	if f := d.script("conffiles"); f != nil {
		var list strings.Builder
		for line := range strings.Lines(f.text) {
			name, gone := strings.CutPrefix(strings.TrimSpace(line), "remove-on-upgrade ")
			if name == "" {
				continue
			}
			list.WriteString(" " + name + " newconffile")
			if slices.Contains(d.lost, name) {
				list.WriteString(" obsolete")
			}
			if gone {
				list.WriteString(" remove-on-upgrade")
			}
			list.WriteString("\n")
		}
		if list.Len() > 0 {
			text += "Conffiles:\n" + list.String()
		}
	}
	return text
}

// interest is a trigger that a package is interested in: deb-triggers(5).
type interest struct {
	trigger string // a name, or a path
	by      string // the package, with "/noawait" where who triggers need not wait
}

func (d *deb) interests() []interest {
	f := d.script("triggers")
	if f == nil {
		return nil
	}
	var out []interest
	for line := range strings.Lines(f.text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		switch fields[0] {
		case "interest", "interest-await":
			out = append(out, interest{fields[1], d.Name})
		case "interest-noawait":
			out = append(out, interest{fields[1], d.Name + "/noawait"})
		}
	}
	return out
}

// recorder puts files into a tree and keeps the first error.
type recorder struct {
	tree *tree.Tree
	at   time.Time
	err  error
}

func (w *recorder) put(name string, n *tree.Node) {
	if w.err == nil {
		w.err = w.tree.Put(name, n)
	}
}

func (w *recorder) directory(name string) {
	if w.tree.Get(name) == nil {
		w.put(name, &tree.Node{Mode: 0o755, ModTime: w.at})
	}
}

func (w *recorder) file(name, text string) {
	w.put(name, &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: w.at, Content: tree.Inline(text)})
}

func (w *recorder) script(name, text string) {
	w.put(name, &tree.Node{Type: tree.Regular, Mode: 0o755, ModTime: w.at, Content: tree.Inline(text)})
}

// info writes a package's files in dpkg's info directory: the list of its files, and its control archive except for the
// file control.
func (w *recorder) info(d *deb) {
	base := dpkgDir + "/info/" + d.id() + "."
	w.file(base+"list", strings.Join(d.list, "\n")+"\n")
	for _, f := range d.control {
		if f.name == "control" {
			continue
		}
		bare := *f.node
		bare.UID, bare.GID = 0, 0
		if bare.ModTime.IsZero() {
			bare.ModTime = w.at
		}
		w.put(base+f.name, &bare)
	}
}

// addSums adds the MD5 sums of a package's files to its control files, as dpkg does for a package that comes without.
func (d *deb) addSums() error {
	if d.script("md5sums") != nil {
		return nil
	}
	var out strings.Builder
	for _, name := range d.list {
		n := d.files.Get(name[1:])
		if n == nil || n.Type != tree.Regular {
			continue
		}
		h := md5.New()
		if _, err := io.Copy(h, n.Content.Reader()); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		fmt.Fprintf(&out, "%x  %s\n", h.Sum(nil), name[1:])
	}
	node := &tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline(out.String())}
	d.control = append(d.control, &controlFile{name: "md5sums", node: node, text: out.String()})
	return nil
}

// automatic returns apt's list of automatically installed packages, for `apt-get autoremove`.
func automatic(debs []*deb, architecture string, asked []string) string {
	manual := map[string]bool{"apt": true}
	for _, name := range asked {
		manual[PackageName(name)] = true
	}
	var out strings.Builder
	for _, d := range debs {
		if !manual[d.Name] && d.fields["essential"] != "yes" && d.fields["priority"] != "required" {
			out.WriteString("Package: " + d.Name + "\nArchitecture: " + architecture + "\nAuto-Installed: 1\n\n")
		}
	}
	return out.String()
}

// PackageName returns the name in a request for a package, which may have an architecture and a suite, such as linux for
// linux:arm64/trixie.
func PackageName(request string) string {
	request, _, _ = strings.Cut(request, "/")
	name, _, _ := strings.Cut(request, ":")
	return name
}
