package store_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/PlanktoScope/pkbuild/stages/store"
)

// node is a file, directory or symlink of a disk.
type node struct {
	mode    fs.FileMode
	data    []byte         // or the symlink's target
	entries map[string]int // of a directory
}

// disk is a file system: nodes by number. What no entry leads to from the root does not count.
type disk map[int]*node

const root = 0

func newDisk() disk { return disk{root: {mode: fs.ModeDir | 0o755, entries: map[string]int{}}} }

// at is a node that later steps may refer to even where the step that made it was lost.
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

// find is the number of the node at a path.
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

// files shows what can be reached.
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

// String tells all that can be reached.
func (d disk) String() string {
	var text strings.Builder
	files := d.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&text, "%s %s %q\n", name, files[name].Mode, files[name].Data)
	}
	return text.String()
}

// step is one change that was asked for and may not be on the disk yet.
type step struct {
	what    string
	nodes   []int // what must be synced for the change to be on the disk
	durable bool
	apply   func(disk)
	torn    []func(disk) // ways in which the change can be half done
}

// memory is a System in memory that knows which changes a power cut could undo, and can be stopped before any call.
type memory struct {
	disk  disk         // as whoever runs sees it
	view  fstest.MapFS // of the disk; nil after a change
	start disk         // as it was on the disk when it began
	steps []step
	ids   int
	calls int
	stop  int // before which call it stops; 0 for none
}

// stopped is what a call panics with instead of happening.
type stopped struct{}

func newMemory(d disk) *memory {
	return &memory{disk: d.clone(), start: d, ids: slices.Max(slices.Collect(maps.Keys(d)))}
}

// call counts a call.
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

// sync puts on the disk what concerns a node.
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

// add makes a node with a name that must be free.
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

func (m *memory) Create(name string, mode fs.FileMode) (store.File, error) {
	id, err := m.add("create", name, node{mode: mode})
	return file{m, id, name}, err
}

func (m *memory) Mkdir(name string, mode fs.FileMode) error {
	_, err := m.add("mkdir", name, node{mode: fs.ModeDir | mode})
	return err
}

func (m *memory) Symlink(target, name string) error {
	_, err := m.add("symlink", name, node{mode: fs.ModeSymlink | 0o777, data: []byte(target)})
	return err
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

// file is a file that is being written.
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

// after is the disk after a power cut that did some of the steps not yet synced, in the order in which they were asked
// for: what says which. A file system may do any of them.
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

// pending are the steps that a power cut may undo.
func (m *memory) pending() []step {
	return slices.DeleteFunc(slices.Clone(m.steps), func(s step) bool { return s.durable })
}

// cuts yields what a power cut now may leave: all that was asked for or nothing of it; any beginning of it; all or
// nothing but one step; one write half done.
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
