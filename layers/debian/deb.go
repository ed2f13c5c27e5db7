package debian

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// deb is an opened package. Its contents lie in a file that stays open as long as they are referred to.
type deb struct {
	Package
	fields    stanza
	text      string          // of the control file
	control   []*controlFile  // all others, in the order of their archive
	files     *tree.Tree      // below no root of its own: a package that ships /lib/x has a directory lib
	list      []string        // of the files in the order of their archive: "/." first, without slashes at the end
	conffiles map[string]bool // by path as in list; false: the package ships the name no longer
	lost      []string        // paths that belong to a package that replaces this one
}

// controlFile is a file of the control archive: a maintainer script, md5sums, triggers and so on.
type controlFile struct {
	name string
	node *tree.Node
	text string
}

// id returns the base name of a package's files in dpkg's info directory.
func (d *deb) id() string {
	if d.fields["multi-arch"] == "same" {
		return d.Name + ":" + d.Architecture
	}
	return d.Name
}

func (d *deb) script(name string) *controlFile {
	for _, f := range d.control {
		if f.name == name {
			return f
		}
	}
	return nil
}

// open opens a package in the pool. The pool keeps its uncompressed archives.
func (p pool) open(ctx context.Context, pkg Package) (*deb, error) {
	name := filepath.Join(p.dir, pkg.SHA256)
	for suffix, flag := range map[string]string{".control.tar": "--ctrl-tarfile", ".data.tar": "--fsys-tarfile"} {
		err := atomicfile.Produce(ctx, name+suffix, func(f *os.File) error {
			if err := f.Truncate(0); err != nil {
				return err
			}
			cmd := exec.CommandContext(ctx, "dpkg-deb", flag, p.path(pkg))
			cmd.Stdout = f
			if err := sandbox.Exec(ctx, cmd, nil); err != nil {
				return fmt.Errorf("dpkg-deb %s: %w", flag, err)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", pkg, err)
		}
	}
	d := &deb{Package: pkg}
	if err := d.readControl(name + ".control.tar"); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", pkg, err)
	}
	if err := d.readData(name + ".data.tar"); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", pkg, err)
	}
	return d, nil
}

func (d *deb) readControl(name string) (err error) {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	files, err := tree.ReadTar(f)
	if err != nil {
		return err
	}
	for name, n := range files.Walk() {
		if n.Type != tree.Regular {
			continue
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		bare := *n
		bare.Content = tree.Inline(text)
		d.control = append(d.control, &controlFile{name: name, node: &bare, text: string(text)})
	}
	control := d.script("control")
	if control == nil {
		return fmt.Errorf("control archive has no file named control")
	}
	d.text, d.fields = control.text, parseStanza(control.text)
	d.conffiles = map[string]bool{}
	if f := d.script("conffiles"); f != nil {
		for line := range strings.Lines(f.text) {
			name, gone := strings.CutPrefix(strings.TrimSpace(line), "remove-on-upgrade ")
			d.conffiles[name] = !gone
		}
	}
	return nil
}

func (d *deb) readData(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	if d.files, err = tree.ReadTar(f); err == nil {
		err = d.readList(f)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// readList returns the names of the entries in the data archive.
func (d *deb) readList(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	tr := tar.NewReader(f)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean("/" + h.Name)
		if name == "/" {
			name = "/."
		}
		d.list = append(d.list, name)
	}
}
