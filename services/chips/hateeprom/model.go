package hateeprom

import (
	"encoding/binary"
	"fmt"
)

// Model is a 24C32 EEPROM of 4 KiB. It implements bus.Device.
type Model struct {
	data    [4096]byte
	pointer uint16
}

// NewModel returns the model of an EEPROM that begins with data, up to its 4096 bytes. The rest is blank: 0xff.
func NewModel(data []byte) *Model {
	m := &Model{}
	for i := range m.data {
		m.data[i] = 0xff
	}
	copy(m.data[:], data)
	return m
}

// Write sets the address of the next Read to the two bytes of w. It fails for any other length: the EEPROM is
// write-protected.
func (m *Model) Write(w []byte) error {
	if len(w) != 2 {
		return fmt.Errorf("no acknowledgement: EEPROM is write-protected")
	}
	m.pointer = binary.BigEndian.Uint16(w)
	return nil
}

// Read fills r with the bytes from the current address on; after the last byte it continues with the first.
func (m *Model) Read(r []byte) error {
	for i := range r {
		r[i] = m.data[int(m.pointer)%len(m.data)]
		m.pointer++
	}
	return nil
}

// Encode returns the bytes of an ID EEPROM with the given content.
func Encode(c *Contents) []byte {
	vendor := make([]byte, 22)
	for i := range c.UUID {
		vendor[15-i] = c.UUID[i]
	}
	binary.LittleEndian.PutUint16(vendor[16:], c.ProductID)
	binary.LittleEndian.PutUint16(vendor[18:], c.ProductVersion)
	vendor[20], vendor[21] = byte(len(c.Vendor)), byte(len(c.Product))
	vendor = append(vendor, c.Vendor+c.Product...)

	data := append([]byte(signature), 1, 0, byte(1+len(c.Custom)), 0, 0, 0, 0, 0)
	data = appendAtom(data, atomVendor, 0, vendor)
	for i, custom := range c.Custom {
		data = appendAtom(data, atomCustom, i+1, custom)
	}
	binary.LittleEndian.PutUint32(data[8:], uint32(len(data)))
	return data
}

func appendAtom(data []byte, kind, number int, content []byte) []byte {
	atom := binary.LittleEndian.AppendUint16(nil, uint16(kind))
	atom = binary.LittleEndian.AppendUint16(atom, uint16(number))
	atom = binary.LittleEndian.AppendUint32(atom, uint32(len(content)+2))
	atom = append(atom, content...)
	return append(data, binary.LittleEndian.AppendUint16(atom, crc16(atom))...)
}
