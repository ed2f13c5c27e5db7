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

// build returns an uncompressed cpio archive in the newc format: modules are already compressed. missing are the optional
// modules that the kernel lacks.
func (i initramfs) build(t *tree.Tree) (data []byte, missing []string, err error) {
	modules, missing, err := moduleRecords(t, i.kernel, i.modules)
	if err != nil {
		return nil, nil, err
	}
	records := append(modules,
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.Record{Info: cpio.Info{Name: "init", Mode: cpio.S_IFREG | 0o755, FileSize: uint64(i.pkinit.Size)}, ReaderAt: i.pkinit.Reader()},
		cpio.StaticFile(wantedFile, strings.Join(i.modules, "\n")+"\n", 0o644),
	)
	check, err := fsck(t)
	if err != nil {
		return nil, nil, err
	}
	data, err = archive(append(records, check...))
	return data, missing, err
}

// moduleRecords returns modules with their dependencies, and the list in which pkinit finds them, in the order of loading.
func moduleRecords(t *tree.Tree, kernel string, names []string) (records []cpio.Record, missing []string, err error) {
	modules, missing, err := moduleOrder(t, kernel, names)
	if err != nil {
		return nil, nil, err
	}
	list := ""
	for _, name := range modules {
		_, n := t.Resolve(name)
		if n == nil || n.Type != tree.Regular {
			return nil, nil, fmt.Errorf("kernel module /%s is not in the tree", name)
		}
		list += "/" + name + "\n"
		records = append(records, cpio.Record{
			Info:     cpio.Info{Name: name, Mode: cpio.S_IFREG | 0o644, FileSize: uint64(n.Content.Size)},
			ReaderAt: n.Content.Reader(),
		})
	}
	return append(records, cpio.StaticFile("etc/pkinit/modules", list, 0o644)), missing, nil
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

// moduleOrder returns the paths of modules and their dependencies, each after its dependencies, and the optional modules
// (NAME?) that the kernel lacks.
func moduleOrder(t *tree.Tree, kernel string, names []string) (order, missing []string, err error) {
	dir := path.Join(modulesDir, kernel)
	g, err := readGraph(t, dir)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		name, optional := strings.CutSuffix(name, "?")
		if optional && !g.has(moduleName(name)) {
			missing = append(missing, name)
			continue
		}
		if order, err = g.visit(order, moduleName(name), true); err != nil {
			return nil, nil, err
		}
	}
	for i, name := range order {
		order[i] = path.Join(dir, g.files[name])
	}
	return order, missing, nil
}

// readGraph reads the lists of modules that depmod writes.
func readGraph(t *tree.Tree, dir string) (graph, error) {
	g := graph{files: map[string]string{}, needs: map[string][]string{}, builtin: map[string]bool{}}
	var lists [4]string
	for i, name := range []string{"modules.dep", "modules.builtin", "modules.softdep", "modules.alias"} {
		data, err := t.ReadFile(path.Join(dir, name))
		if err != nil {
			return g, err
		}
		lists[i] = string(data)
	}
	for line := range strings.Lines(lists[0]) {
		file, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		g.files[moduleName(file)] = file
		for _, need := range strings.Fields(needs) {
			g.needs[moduleName(file)] = append(g.needs[moduleName(file)], moduleName(need))
		}
	}
	for line := range strings.Lines(lists[1]) {
		g.builtin[moduleName(strings.TrimSpace(line))] = true
	}
	g.readAliases(lists[3])
	g.softdeps(lists[2])
	return g, nil
}

// has reports whether the kernel has a module, or its code built in.
func (g *graph) has(name string) bool { return g.files[name] != "" || g.builtin[name] }

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
