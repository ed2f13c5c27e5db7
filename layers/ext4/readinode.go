package ext4

import (
	"errors"
	"fmt"
	"io"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// volumeInode is an inode that is read.
type volumeInode struct {
	*volume
	inodeHead
	inodeTail
	number uint32
	raw    []byte
}

func (v *volume) inode(number uint32) (*volumeInode, error) {
	if number == 0 || number > v.InodesCount {
		return nil, fmt.Errorf("inode number %d is not among the %d inodes of the file system", number, v.InodesCount)
	}
	table, err := v.inodeTable((number - 1) / v.InodesPerGroup)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, max(v.InodeSize, inodeSize)) // zeroes stand in for the fields that a small inode lacks
	if err := v.read(raw[:v.InodeSize], table, int64((number-1)%v.InodesPerGroup)*int64(v.InodeSize)); err != nil {
		return nil, fmt.Errorf("inode %d: %w", number, err)
	}
	return &volumeInode{
		volume: v, number: number, raw: raw, inodeHead: decode[inodeHead](raw), inodeTail: decode[inodeTail](raw[tailOffset:]),
	}, nil
}

func (in *volumeInode) size() uint64 { return join(in.SizeLo, in.SizeHi) }

// blockField is i_block.
func (in *volumeInode) blockField() []byte { return in.raw[blockOffset:tailOffset] }

// node returns what the inode says, without the entries of a directory.
func (in *volumeInode) node() (*tree.Node, error) {
	kind, known := nodeType(in.Mode)
	if !known || in.LinksCount == 0 {
		return nil, fmt.Errorf("inode is not in use: mode %#o, %d links", in.Mode, in.LinksCount)
	}
	n := &tree.Node{
		Type:    kind,
		Mode:    uint32(in.Mode) & 0o7777,
		UID:     join32(in.UIDLo, in.UIDHi),
		GID:     join32(in.GIDLo, in.GIDHi),
		ModTime: in.modTime(),
	}
	var err error
	if n.Xattrs, err = in.xattrs(); err != nil {
		return nil, err
	}
	if kind == tree.Regular || kind == tree.Directory {
		n.Immutable, n.AppendOnly = in.Flags&flagImmutable != 0, in.Flags&flagAppendOnly != 0
	}
	switch kind {
	case tree.Regular:
		n.Content, err = in.content()
	case tree.Symlink:
		n.Target, err = in.target()
	case tree.Char, tree.Block:
		n.Major, n.Minor = device(in.blockField())
	}
	return n, err
}

// target returns that of a symlink. A short one lies in the inode, in the place of the extents.
func (in *volumeInode) target() (string, error) {
	if in.size() > maxPath {
		return "", fmt.Errorf("symlink target has %d bytes, at most %d are allowed", in.size(), maxPath)
	}
	if in.Flags&flagExtents == 0 && in.size() < uint64(len(in.blockField())) {
		return string(in.blockField()[:in.size()]), nil
	}
	b, err := in.readAll()
	return string(b), err
}

// readAll returns the content of an inode that is a piece of metadata.
func (in *volumeInode) readAll() ([]byte, error) {
	if err := in.claim(int64(min(in.size(), maxFileSize))); err != nil {
		return nil, err
	}
	c, err := in.content()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(c.Reader())
	if err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	return b, nil
}

// content returns where the data of the inode lies.
func (in *volumeInode) content() (tree.Content, error) {
	switch {
	case in.size() > uint64(in.blockSize())<<32:
		return tree.Content{}, fmt.Errorf("file size of %d bytes exceeds 2^32 blocks", in.size())
	case in.Flags&flagEncrypted != 0:
		return tree.Content{}, errors.New("file content is encrypted, which is not supported")
	case in.Flags&flagInlineData != 0:
		return tree.Content{}, errors.New("file content is inline data, which is not supported")
	case in.Flags&flagVerity != 0:
		return tree.Content{}, errors.New("file has fs-verity, which is not supported: a copy would not be protected")
	case in.size() == 0:
		return tree.Content{}, nil
	case in.Flags&flagExtents == 0:
		return tree.Content{}, errors.New("block map of ext3 is not supported: run chattr +e on the file")
	}
	c := content{volume: in.volume, size: int64(in.size())}
	if err := c.addNode(in.blockField(), maxExtentDepth); err != nil {
		return tree.Content{}, err
	}
	return c.place(), nil
}
