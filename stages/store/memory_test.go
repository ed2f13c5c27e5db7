package store_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing/fstest"
)

// node is a file, directory or symlink of a disk.
type node struct {
	mode    fs.FileMode
	data    []byte         // or the symlink's target
	entries map[string]int // of a directory
}

// disk is a file system: nodes by inode number. Nodes that are not reachable from the root do not count.
type disk map[int]*node

const root = 0

func newDisk() disk { return disk{root: {mode: fs.ModeDir | 0o755, entries: map[string]int{}}} }

// at returns a node, also for steps after the lost step that created it.
func (d disk) at(id int) *node {
	if d[id] == nil {
		d[id] = &node{entries: map[string]int{}}
	}
	return d[id]
}

func (d disk) clone() disk {
	out := disk{}
	for id, n := range d {
		out[id] = &node{mode: n.mode, data: slices.Clone(n.data), entries: maps.Clone(n.entries)}
	}
	return out
}

// find returns the inode number of a path.
func (d disk) find(name string) (int, bool) {
	if name == "." {
		return root, true
	}
	parent, found := d.find(path.Dir(name))
	if !found {
		return 0, false
	}
	id, found := d[parent].entries[path.Base(name)]
	return id, found
}

// files returns the reachable files.
func (d disk) files() fstest.MapFS {
	out := fstest.MapFS{}
	d.collect(root, ".", out)
	return out
}

func (d disk) collect(id int, name string, out fstest.MapFS) {
	n := d[id]
	out[name] = &fstest.MapFile{Data: n.data, Mode: n.mode}
	for base, child := range n.entries {
		d.collect(child, path.Join(name, base), out)
	}
}

// String lists the reachable files.
func (d disk) String() string {
	var text strings.Builder
	files := d.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&text, "%s %s %q\n", name, files[name].Mode, files[name].Data)
	}
	return text.String()
}

// step is one change that may not be synced yet.
type step struct {
	what    string
	nodes   []int // inodes whose fsync makes the change durable
	durable bool
	apply   func(disk)
	torn    []func(disk) // the ways in which the change can be torn
}

// memory is a System in memory that records which changes a power cut could undo, and can be stopped before any call.
type memory struct {
	disk  disk         // as a running process sees it
	view  fstest.MapFS // files of the disk; nil after a change
	start disk         // durable state at the beginning
	steps []step
	ids   int
	calls int
	stop  int // number of the call before which it stops; 0 for none
}

// stopped is the panic value of the call that is stopped.
type stopped struct{}

func newMemory(d disk) *memory {
	return &memory{disk: d.clone(), start: d, ids: slices.Max(slices.Collect(maps.Keys(d)))}
}

// call counts a system call.
func (m *memory) call() {
	m.calls++
	if m.calls == m.stop {
		panic(stopped{})
	}
}

func (m *memory) do(s step) {
	s.apply(m.disk)
	m.view = nil
	m.steps = append(m.steps, s)
}

// sync makes the changes of a node durable.
func (m *memory) sync(id int) {
	for i := range m.steps {
		m.steps[i].durable = m.steps[i].durable || slices.Contains(m.steps[i].nodes, id)
	}
}

func (m *memory) files() fstest.MapFS {
	if m.view == nil {
		m.view = m.disk.files()
	}
	return m.view
}

func (m *memory) Lock(context.Context, string) (func() error, error) {
	m.call()
	return func() error { return nil }, nil
}

func (m *memory) Close() error { return nil }

func (m *memory) Open(name string) (fs.File, error) {
	m.call()
	return m.files().Open(name)
}

func (m *memory) ReadDir(name string) ([]fs.DirEntry, error) {
	m.call()
	return m.files().ReadDir(name)
}

// add creates a node under a free name.
func (m *memory) add(op, name string, n node) (int, error) {
	m.call()
	parent, found := m.disk.find(path.Dir(name))
	if !found {
		return 0, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	if _, taken := m.disk[parent].entries[path.Base(name)]; taken {
		return 0, &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	m.ids++
	id := m.ids
	m.do(step{what: op + " " + name, nodes: []int{parent}, apply: func(d disk) {
		made := d.at(id)
		made.mode = n.mode
		made.data = append(slices.Clone(n.data), made.data...)
		d.at(parent).entries[path.Base(name)] = id
	}})
	return id, nil
}

func (m *memory) Create(name string, mode fs.FileMode) (io.WriteCloser, error) {
	return m.create(name, mode)
}

func (m *memory) create(name string, mode fs.FileMode) (file, error) {
	id, err := m.add("create", name, node{mode: mode})
	return file{m, id, name}, err
}

// WriteFile takes the steps of atomicfile.Write.
func (m *memory) WriteFile(name string, data []byte, mode fs.FileMode) error {
	f, err := m.create(name+".tmp", mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := m.Rename(name+".tmp", name); err != nil {
		return err
	}
	return m.SyncDir(".")
}

func (m *memory) Mkdir(name string, mode fs.FileMode) error {
	_, err := m.add("mkdir", name, node{mode: fs.ModeDir | mode})
	return err
}

func (m *memory) Symlink(target, name string) error {
	_, err := m.add("symlink", name, node{mode: fs.ModeSymlink | 0o777, data: []byte(target)})
	return err
}

func (m *memory) Readlink(name string) (string, error) {
	m.call()
	id, found := m.disk.find(name)
	if !found {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrNotExist}
	}
	return string(m.disk[id].data), nil
}

func (m *memory) Rename(from, to string) error {
	m.call()
	id, found := m.disk.find(from)
	if !found {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if taken, found := m.disk.find(to); found && m.disk[taken].mode.IsDir() {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	source, _ := m.disk.find(path.Dir(from))
	target, _ := m.disk.find(path.Dir(to))
	m.do(step{what: "rename " + from + " " + to, nodes: []int{source, target}, apply: func(d disk) {
		d.at(id)
		delete(d.at(source).entries, path.Base(from))
		d.at(target).entries[path.Base(to)] = id
	}})
	return nil
}

func (m *memory) Remove(name string) error {
	m.call()
	id, found := m.disk.find(name)
	if !found {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if len(m.disk[id].entries) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: fmt.Errorf("directory not empty")}
	}
	parent, _ := m.disk.find(path.Dir(name))
	m.do(step{what: "remove " + name, nodes: []int{parent}, apply: func(d disk) {
		delete(d.at(parent).entries, path.Base(name))
	}})
	return nil
}

func (m *memory) SyncDir(name string) error {
	m.call()
	id, found := m.disk.find(name)
	if !found {
		return &fs.PathError{Op: "sync", Path: name, Err: fs.ErrNotExist}
	}
	m.sync(id)
	return nil
}

func (m *memory) SyncAll() error {
	m.call()
	for i := range m.steps {
		m.steps[i].durable = true
	}
	return nil
}

// file is a file open for writing.
type file struct {
	m    *memory
	id   int
	name string
}

func (f file) Write(data []byte) (int, error) {
	f.m.call()
	data = slices.Clone(data)
	write := func(data []byte) func(disk) {
		return func(d disk) { d.at(f.id).data = append(d.at(f.id).data, data...) }
	}
	f.m.do(step{what: "write " + f.name, nodes: []int{f.id}, apply: write(data), torn: []func(disk){
		write(data[:len(data)/2]),
		write(make([]byte, len(data))),
		write(append(slices.Clone(data[:len(data)/2]), make([]byte, len(data)-len(data)/2)...)),
	}})
	return len(data), nil
}

func (f file) Sync() error {
	f.m.call()
	f.m.sync(f.id)
	return nil
}

func (f file) Close() error {
	f.m.call()
	return nil
}

// after returns the disk after a power cut with some of the unsynced steps written, in their order; done says which. A
// file system may write any subset.
func (m *memory) after(done func(pending int) func(step) []func(disk)) disk {
	d, pending := m.start.clone(), 0
	for _, s := range m.steps {
		how := []func(disk){s.apply}
		if !s.durable {
			how = done(pending)(s)
			pending++
		}
		for _, apply := range how {
			apply(d)
		}
	}
	return d
}

// pending returns the steps that a power cut may undo.
func (m *memory) pending() []step {
	return slices.DeleteFunc(slices.Clone(m.steps), func(s step) bool { return s.durable })
}

// cuts yields the disks that a power cut may leave now: with all unsynced steps or none; with any prefix of them; with
// all but one or only one; with one write torn.
func (m *memory) cuts(yield func(what string, d disk)) {
	all := func(s step) []func(disk) { return []func(disk){s.apply} }
	none := func(step) []func(disk) { return nil }
	pick := func(chosen func(int) bool) func(int) func(step) []func(disk) {
		return func(i int) func(step) []func(disk) {
			if chosen(i) {
				return all
			}
			return none
		}
	}
	pending := m.pending()
	for n := range len(pending) + 1 {
		yield(fmt.Sprintf("the first %d of %d steps", n, len(pending)), m.after(pick(func(i int) bool { return i < n })))
	}
	for n, s := range pending {
		yield("all but "+s.what, m.after(pick(func(i int) bool { return i != n })))
		yield("only "+s.what, m.after(pick(func(i int) bool { return i == n })))
		for variant, torn := range s.torn {
			yield(fmt.Sprintf("%s torn (%d)", s.what, variant), m.after(func(i int) func(step) []func(disk) {
				if i != n {
					return all
				}
				return func(step) []func(disk) { return []func(disk){torn} }
			}))
		}
	}
}
