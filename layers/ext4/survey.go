package ext4

import (
	"fmt"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Reserved inode numbers.
// https://docs.kernel.org/filesystems/ext4/special_inodes.html
const (
	rootInode    = 2
	resizeInode  = 7
	journalInode = 8
	firstInode   = 11
)

const (
	maxLinks       = 65000
	maxInodeNumber = 1<<32 - 1
	lostFound      = "lost+found"
	lostFoundSize  = 16384 // so that e2fsck can add names without allocating blocks
)

// survey holds the inodes of a tree, by number. It does not depend on the size of the file system.
type survey struct {
	seed        uint32 // of all checksums
	hashSeed    [16]byte
	inodes      []*inode
	unused      []inode // allocated in advance
	numbers     map[*tree.Node]uint32
	data        dataFinder
	valueInodes bool   // some values of extended attributes have inodes of their own
	orphanInode uint32 // zero: none
}

func surveyTree(t *tree.Tree, o Options) (*survey, error) {
	s := &survey{seed: crc32c(^uint32(0), o.UUID[:]), hashSeed: o.UUID, numbers: map[*tree.Node]uint32{}, data: dataFinder{}}
	for range firstInode {
		s.append(inode{})
	}
	*s.inodes[journalInode] = inode{node: special(), links: 1}
	*s.inodes[resizeInode] = inode{node: special(), links: 1}
	lost := t.Get(lostFound)
	if lost != nil && lost.Type != tree.Directory {
		return nil, fmt.Errorf("/%s is a %s: ext4 needs a directory there", lostFound, lost.Type)
	}
	if lost == nil {
		s.append(inode{node: &tree.Node{Mode: 0o700}, links: 2, dir: &directory{parent: rootInode}})
		s.inodes[firstInode].size = lostFoundSize
	}
	if o.OrphanFile {
		s.orphanInode = s.append(inode{node: special(), links: 1})
	}
	if _, err := s.add("", t.Root, rootInode); err != nil {
		return nil, err
	}
	if lost == nil {
		return s, s.inodes[rootInode].addEntry(entry{lostFound, firstInode, fileTypes[tree.Directory]}, s.hashSeed)
	}
	return s, nil
}

// special returns a node for an inode without a name.
func special() *tree.Node { return &tree.Node{Type: tree.Regular, Mode: 0o600} }

func (s *survey) append(in inode) uint32 {
	if len(s.unused) == 0 {
		s.unused = make([]inode, 1024)
	}
	s.unused[0] = in
	s.inodes = append(s.inodes, &s.unused[0])
	s.unused = s.unused[1:]
	return uint32(len(s.inodes) - 1)
}

// add numbers a node and everything below it, and counts its links.
func (s *survey) add(name string, n *tree.Node, parent uint32) (uint32, error) {
	if number, known := s.numbers[n]; known {
		return number, s.link(name, n, number)
	}
	if err := check(n); err != nil {
		return 0, fmt.Errorf("/%s: %w", name, err)
	}
	if len(s.inodes) == maxInodeNumber {
		return 0, fmt.Errorf("/%s: more entries than ext4 has inodes", name)
	}
	in, err := newInode(n, s.data)
	if err != nil {
		return 0, fmt.Errorf("/%s: %w", name, err)
	}
	number := uint32(rootInode)
	if name == "" {
		*s.inodes[number] = in
	} else {
		number = s.append(in)
	}
	s.numbers[n] = number
	s.addValues(in.attrs)
	if n.Type == tree.Directory {
		err = s.addChildren(name, number, parent)
	}
	return number, err
}

func (s *survey) link(name string, n *tree.Node, number uint32) error {
	if n.Type == tree.Directory {
		return fmt.Errorf("/%s: directory has two names, as if hard-linked", name)
	}
	if s.inodes[number].links == maxLinks {
		return fmt.Errorf("/%s: more than %d hard links", name, maxLinks)
	}
	s.inodes[number].links++
	return nil
}

func (s *survey) addChildren(name string, number, parent uint32) error {
	n := s.inodes[number].node
	dir := &directory{parent: parent, entries: make([]entry, 0, n.Len())}
	links := uint32(2)
	for base, child := range n.Children() {
		if err := checkName(base); err != nil {
			return fmt.Errorf("/%s: %w", name, err)
		}
		path := strings.TrimPrefix(name+"/"+base, "/")
		childNumber, err := s.add(path, child, number)
		if err != nil {
			return err
		}
		dir.entries = append(dir.entries, entry{base, childNumber, fileTypes[child.Type]})
		if child.Type == tree.Directory {
			links++
		}
	}
	in := s.inodes[number]
	in.dir, in.links = dir, links
	var err error
	if in.size, err = dir.measure(s.hashSeed); err != nil {
		return fmt.Errorf("/%s: %w", name, err)
	}
	return nil
}

// addEntry adds the name of a subdirectory.
func (in *inode) addEntry(e entry, hashSeed [16]byte) (err error) {
	in.links++
	in.dir.entries = append(in.dir.entries, e)
	in.size, err = in.dir.measure(hashSeed)
	return err
}

// lastInode returns the highest number in use.
func (s *survey) lastInode() uint32 { return uint32(len(s.inodes) - 1) }

// wantedInodes returns the lowest number of inodes that the file system may have.
func (s *survey) wantedInodes() uint32 {
	used := s.lastInode()
	return used + min(max(used/spareInodeShare, minSpareInodes), maxInodeNumber-used)
}
