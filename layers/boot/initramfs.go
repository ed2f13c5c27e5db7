package boot

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// initramfs describes an initramfs with pkinit as /init, and modules, which /etc/pkinit/modules lists in the order of
// loading.
type initramfs struct {
	kernel  string // version
	modules []string
	pkinit  tree.Content
}

// build returns an uncompressed cpio archive in the newc format: modules are already compressed.
func (i initramfs) build(t *tree.Tree) ([]byte, error) {
	modules, err := moduleOrder(t, i.kernel, i.modules)
	if err != nil {
		return nil, err
	}
	list := ""
	records := []cpio.Record{
		cpio.CharDev("dev/console", 0o600, 5, 1),
		{Info: cpio.Info{Name: "init", Mode: cpio.S_IFREG | 0o755, FileSize: uint64(i.pkinit.Size)}, ReaderAt: i.pkinit.Reader()},
	}
	for _, name := range modules {
		_, n := t.Resolve(name)
		if n == nil || n.Type != tree.Regular {
			return nil, fmt.Errorf("kernel module /%s is not in the tree", name)
		}
		list += "/" + name + "\n"
		records = append(records, cpio.Record{
			Info:     cpio.Info{Name: name, Mode: cpio.S_IFREG | 0o644, FileSize: uint64(n.Content.Size)},
			ReaderAt: n.Content.Reader(),
		})
	}
	records = append(records, cpio.StaticFile("etc/pkinit/modules", list, 0o644))
	check, err := fsck(t)
	if err != nil {
		return nil, err
	}
	return archive(append(records, check...))
}

// archive returns a cpio archive of records and their parent directories, sorted by name.
func archive(records []cpio.Record) ([]byte, error) {
	byName := map[string]cpio.Record{}
	for _, dir := range []string{"dev", "proc", "run", "sys", "sysroot"} {
		byName[dir] = cpio.Directory(dir, 0o755)
	}
	for _, r := range records {
		for dir := path.Dir(r.Name); dir != "."; dir = path.Dir(dir) {
			byName[dir] = cpio.Directory(dir, 0o755)
		}
		byName[r.Name] = r
	}
	var out bytes.Buffer
	w := cpio.NewDedupWriter(cpio.Newc.Writer(&out))
	for ino, name := range slices.Sorted(maps.Keys(byName)) {
		r := cpio.MakeReproducible(byName[name])
		r.Ino = uint64(ino + 1)
		if err := w.WriteRecord(r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// moduleOrder returns the paths of modules and their dependencies, each after its dependencies.
func moduleOrder(t *tree.Tree, kernel string, names []string) ([]string, error) {
	dir := path.Join("usr/lib/modules", kernel)
	deps, err := t.ReadFile(path.Join(dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	builtin, err := t.ReadFile(path.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	soft, err := t.ReadFile(path.Join(dir, "modules.softdep"))
	if err != nil {
		return nil, err
	}
	aliases, err := t.ReadFile(path.Join(dir, "modules.alias"))
	if err != nil {
		return nil, err
	}
	g := graph{files: map[string]string{}, needs: map[string][]string{}, builtin: map[string]bool{}}
	g.readAliases(string(aliases))
	for line := range strings.Lines(string(deps)) {
		file, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		g.files[moduleName(file)] = file
		for _, need := range strings.Fields(needs) {
			g.needs[moduleName(file)] = append(g.needs[moduleName(file)], moduleName(need))
		}
	}
	for line := range strings.Lines(string(builtin)) {
		g.builtin[moduleName(strings.TrimSpace(line))] = true
	}
	g.softdeps(string(soft))
	var order []string
	for _, name := range names {
		if order, err = g.visit(order, moduleName(name), true); err != nil {
			return nil, err
		}
	}
	for i, name := range order {
		order[i] = path.Join(dir, g.files[name])
	}
	return order, nil
}

// moduleName returns the name of a module from its file name, with dashes as underscores.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".")
	return strings.ReplaceAll(name, "-", "_")
}

// graph holds the dependencies in modules.dep, modules.softdep and modules.builtin.
type graph struct {
	files   map[string]string
	needs   map[string][]string
	soft    map[string][]string // "pre" soft dependencies: wanted before, where the kernel has them
	aliases map[string][]string // names that soft dependencies use, such as crc32c, and the modules that answer to them
	builtin map[string]bool
}

// readAliases parses lines such as "alias crc32c crc32c_generic".
func (g *graph) readAliases(text string) {
	g.aliases = map[string][]string{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "alias" {
			g.aliases[f[1]] = append(g.aliases[f[1]], moduleName(f[2]))
		}
	}
}

// softdeps parses lines such as "softdep ext4 pre: crc32c post: x".
func (g *graph) softdeps(text string) {
	g.soft = map[string][]string{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "softdep" {
			continue
		}
		section := ""
		for _, f := range fields[2:] {
			if strings.HasSuffix(f, ":") {
				section = f
				continue
			}
			if section == "pre:" {
				name := moduleName(fields[1])
				g.soft[name] = append(append(g.soft[name], moduleName(f)), g.aliases[f]...)
			}
		}
	}
}

// visit appends a module after its dependencies, unless order has it. modules.dep has no cycles.
func (g *graph) visit(order []string, name string, required bool) ([]string, error) {
	if slices.Contains(order, name) || g.builtin[name] {
		return order, nil
	}
	if _, ok := g.files[name]; !ok {
		if !required {
			return order, nil
		}
		return nil, fmt.Errorf("the kernel has no module %s", name)
	}
	var err error
	for _, need := range g.soft[name] {
		if need == name {
			continue
		}
		if order, err = g.visit(order, need, false); err != nil {
			return nil, err
		}
	}
	for _, need := range g.needs[name] {
		if order, err = g.visit(order, need, true); err != nil {
			return nil, err
		}
	}
	return append(order, name), nil
}
