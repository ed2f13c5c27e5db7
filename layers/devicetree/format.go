package devicetree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	magic       = 0xd00dfeed
	version     = 17
	compatible  = 16
	headerSize  = 40
	maxDepth    = 64
	tokenBegin  = 1
	tokenEnd    = 2
	tokenProp   = 3
	tokenNop    = 4
	tokenFinish = 9
)

// header is the header of a flattened device tree; offsets and sizes are in bytes.
type header struct {
	Magic, Size, Struct, Strings, Reserved, Version, Compatible, BootCPU, StringsSize, StructSize uint32
}

// Parse decodes a flattened device tree (a .dtb or .dtbo file). It fails if the data are not a flattened device tree, or
// damaged.
func Parse(data []byte) (*Tree, error) {
	var h header
	if err := binary.Read(bytes.NewReader(data), binary.BigEndian, &h); err != nil || h.Magic != magic {
		return nil, errors.New("not a flattened device tree")
	}
	if h.Version < version || h.Compatible > version {
		return nil, fmt.Errorf("device tree has version %d, want %d", h.Version, version)
	}
	if int64(h.Size) > int64(len(data)) {
		return nil, fmt.Errorf("device tree is truncated: it has %d of %d bytes", len(data), h.Size)
	}
	data = data[:h.Size]
	part := func(offset, size uint32) ([]byte, error) {
		if int64(offset)+int64(size) > int64(len(data)) {
			return nil, errors.New("device tree leads out of itself")
		}
		return data[offset : offset+size], nil
	}
	structure, err := part(h.Struct, h.StructSize)
	if err != nil {
		return nil, err
	}
	p := parser{in: structure}
	if p.strings, err = part(h.Strings, h.StringsSize); err != nil {
		return nil, err
	}
	t := &Tree{BootCPU: h.BootCPU}
	for at := h.Reserved; ; at += 16 {
		b, err := part(at, 16)
		if err != nil {
			return nil, err
		}
		r := Reservation{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
		if r == (Reservation{}) {
			break
		}
		t.Reserved = append(t.Reserved, r)
	}
	t.Root, err = p.tree()
	return t, err
}

// parser reads the structure block.
type parser struct{ in, strings []byte }

func (p *parser) token() (uint32, error) {
	for {
		if len(p.in) < 4 {
			return 0, errors.New("structure of the device tree is truncated")
		}
		token := binary.BigEndian.Uint32(p.in)
		p.in = p.in[4:]
		if token != tokenNop {
			return token, nil
		}
	}
}

// take returns the next n bytes and skips their padding to four bytes.
func (p *parser) take(n int) ([]byte, error) {
	padded := (n + 3) / 4 * 4
	if n < 0 || padded > len(p.in) {
		return nil, errors.New("structure of the device tree is truncated")
	}
	b := p.in[:n]
	p.in = p.in[padded:]
	return b, nil
}

func (p *parser) tree() (*Node, error) {
	token, err := p.token()
	if err == nil && token != tokenBegin {
		err = fmt.Errorf("structure of the device tree begins with token %d", token)
	}
	if err != nil {
		return nil, err
	}
	root, err := p.node(0)
	if err != nil {
		return nil, err
	}
	if token, err = p.token(); err == nil && token != tokenFinish {
		err = fmt.Errorf("structure of the device tree goes on after its root with token %d", token)
	}
	return root, err
}

func (p *parser) node(depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("device tree is more than %d levels deep", maxDepth)
	}
	name, err := p.take(bytes.IndexByte(p.in, 0) + 1)
	if err != nil || len(name) == 0 {
		return nil, errors.New("name of a node has no end")
	}
	n := &Node{Name: string(name[:len(name)-1])}
	for {
		token, err := p.token()
		if err != nil {
			return nil, err
		}
		switch token {
		case tokenProp:
			property, err := p.property()
			if err != nil {
				return nil, fmt.Errorf("node %s: %w", n.Name, err)
			}
			n.Properties = append(n.Properties, property)
		case tokenBegin:
			child, err := p.node(depth + 1)
			if err != nil {
				return nil, err
			}
			n.Children = append(n.Children, child)
		case tokenEnd:
			return n, nil
		default:
			return nil, fmt.Errorf("node %s: unknown token %d", n.Name, token)
		}
	}
}

func (p *parser) property() (Property, error) {
	head, err := p.take(8)
	if err != nil {
		return Property{}, err
	}
	at := int64(binary.BigEndian.Uint32(head[4:]))
	if at >= int64(len(p.strings)) {
		return Property{}, errors.New("name of a property is outside the strings")
	}
	name, _, ended := bytes.Cut(p.strings[at:], []byte{0})
	if !ended {
		return Property{}, errors.New("name of a property has no end")
	}
	size := binary.BigEndian.Uint32(head)
	if int64(size) > int64(len(p.in)) {
		return Property{}, fmt.Errorf("property %s is truncated", name)
	}
	value, err := p.take(int(size))
	return Property{string(name), bytes.Clone(value)}, err
}

// Bytes encodes the tree as a flattened device tree (a .dtb file).
func (t *Tree) Bytes() []byte {
	var reserved []byte
	for _, r := range append(t.Reserved[:len(t.Reserved):len(t.Reserved)], Reservation{}) {
		reserved = binary.BigEndian.AppendUint64(reserved, r.Address)
		reserved = binary.BigEndian.AppendUint64(reserved, r.Size)
	}
	w := writer{offsets: map[string]uint32{}}
	w.node(t.Root)
	w.token(tokenFinish)
	h := header{
		Magic: magic, Reserved: headerSize, Version: version, Compatible: compatible, BootCPU: t.BootCPU,
		StructSize: uint32(len(w.out)), StringsSize: uint32(len(w.strings)),
	}
	h.Struct = h.Reserved + uint32(len(reserved))
	h.Strings = h.Struct + h.StructSize
	h.Size = h.Strings + h.StringsSize
	var out bytes.Buffer
	_ = binary.Write(&out, binary.BigEndian, h) // into memory
	out.Write(reserved)
	out.Write(w.out)
	out.Write(w.strings)
	return out.Bytes()
}

// writer writes the structure block.
type writer struct {
	out, strings []byte
	offsets      map[string]uint32 // of names in strings
}

func (w *writer) token(t uint32) { w.out = binary.BigEndian.AppendUint32(w.out, t) }

func (w *writer) bytes(b []byte) {
	w.out = append(w.out, b...)
	for len(w.out)%4 != 0 {
		w.out = append(w.out, 0)
	}
}

func (w *writer) node(n *Node) {
	w.token(tokenBegin)
	w.bytes(append([]byte(n.Name), 0))
	for _, p := range n.Properties {
		offset, known := w.offsets[p.Name]
		if !known {
			offset = uint32(len(w.strings))
			w.offsets[p.Name] = offset
			w.strings = append(append(w.strings, p.Name...), 0)
		}
		w.token(tokenProp)
		w.token(uint32(len(p.Value)))
		w.token(offset)
		w.bytes(p.Value)
	}
	for _, c := range n.Children {
		w.node(c)
	}
	w.token(tokenEnd)
}
