package pallet

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"syscall"

	"github.com/PlanktoScope/pkbuild/stages/pallet/compose"
)

// need returns why a file of the bundle that an app needs is not usable, as a predicate; "" if it is.
func (a appValidator) need(n compose.Need) string {
	v, name := a.pallet.bundleFile(n.Name)
	if v == nil {
		if a.pallet.exportsTo(n.Name) {
			return ""
		}
		return fmt.Sprintf("needs %s, which the bundle does not have", n.Name)
	}
	e := v.find(name)
	root, err := a.roots.open(e.dir)
	if err != nil {
		return "needs " + v.fullPath(name) + ": " + err.Error()
	}
	info, err := root.Stat(e.name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		reason := ""
		if !n.File {
			reason = "; Docker cannot create it, since stages are read-only"
		}
		return fmt.Sprintf("needs %s, which does not exist%s", v.fullPath(name), reason)
	case err != nil:
		return "" // through a symlink to a file of the device
	case n.File && !info.Mode().IsRegular():
		return fmt.Sprintf("needs %s, which is a %s, want a regular file", v.fullPath(name), typeName(info.Mode()))
	case !n.Env:
		return ""
	}
	content, err := readLimited(root.FS(), e.name, maxSize)
	if err == nil {
		err = compose.CheckEnvFile(content)
	}
	if err != nil {
		return fmt.Sprintf("is invalid: %s: %v", v.fullPath(name), err)
	}
	return ""
}

// homePath matches a path in the home directory, as a bind mount in the short form or as the value of a key with a path.
var homePath = regexp.MustCompile(`(?:^\s*-\s*|[\[,]\s*)["']?(~/[^\s:"',\]}]*):|\b(?:source|file|path|env_file|device):\s*["']?(~/[^\s"',\]}]*)`)

// homes warns of paths in the home directory: Compose expands them with that of the user who runs it.
func (a appValidator) homes(d *Deployment) {
	for _, name := range d.ComposeFiles() {
		f, err := d.composeFile(a.roots, name)
		if err != nil || !bytes.Contains(f.data, []byte("~/")) {
			continue
		}
		for i, line := range strings.Split(string(f.data), "\n") {
			for _, m := range homePath.FindAllStringSubmatch(line, -1) {
				a.Warnings = append(a.Warnings, fmt.Sprintf("%s: deployment %s: path %s is in the home directory of the user who runs pkctl, "+
					"which is /root at boot; give an absolute path", f.at(i+1, 1+strings.Index(line, "~/")), d.Name, m[1]+m[2]))
			}
		}
	}
}

// bundleFile returns where a path of the bundle comes from: a view and a path in it; nil for files that are not copied.
func (p *Pallet) bundleFile(name string) (*view, string) {
	if p.staged {
		return p.layered.merged, name
	}
	for _, d := range p.enabled() {
		if rest, ok := inDir(name, d.Package.BundleDir()); ok {
			return d.Package.view, path.Join(d.Package.dir, rest)
		}
	}
	if rest, ok := inDir(name, palletDir); ok {
		return p.layered.own, rest
	}
	if rest, ok := inDir(name, mergedDir); ok {
		return p.layered.merged, rest
	}
	return nil, ""
}

// inDir returns a path relative to a directory, and whether it is in it.
func inDir(name, dir string) (string, bool) {
	if name == dir {
		return ".", true
	}
	return strings.CutPrefix(name, dir+"/")
}

// exportsTo reports whether a path of the bundle is above, at or below the target of an export, or above all packages.
func (p *Pallet) exportsTo(name string) bool {
	if name == "." || name == packagesDir || name == exportsDir {
		return true
	}
	for _, d := range p.enabled() {
		if strings.HasPrefix(d.Package.BundleDir(), name+"/") {
			return true
		}
		for _, e := range d.exports() {
			target := path.Join(exportsDir, e.Target)
			_, below := inDir(name, target)
			_, above := inDir(target, name)
			if below || above {
				return true
			}
		}
	}
	return false
}
