// Package hateeprom reads the identification EEPROM of a Raspberry Pi HAT, and has a model of the chip. It does not write.
//
// Specification: https://github.com/raspberrypi/hats/blob/master/eeprom-format.md.
package hateeprom

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"periph.io/x/conn/v3/i2c"
)

// Address is the address of the EEPROM on I2C bus 0.
const Address = 0x50

// maxSize limits the bytes of an EEPROM that are read.
const maxSize = 32 << 10

// Contents is the content of a HAT's ID EEPROM: UUID, vendor and product.
type Contents struct {
	UUID           uuid.UUID
	ProductID      uint16
	ProductVersion uint16
	Vendor         string
	Product        string
	Custom         [][]byte // data of the manufacturer
}

// Types of atoms.
const (
	atomVendor = 1
	atomCustom = 4
)

const (
	signature  = "R-Pi"
	headerSize = 12
	atomHeader = 8
)

// ErrBlank says that an EEPROM was never written.
var ErrBlank = errors.New("HAT EEPROM is blank")

// Parse decodes the content of a HAT's ID EEPROM. It fails if data is incomplete, a checksum is wrong or the vendor is
// missing, and with ErrBlank if the EEPROM was never written.
func Parse(data []byte) (*Contents, error) {
	size, atoms, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	if len(data) < size {
		return nil, fmt.Errorf("read HAT EEPROM: %d bytes, want %d", len(data), size)
	}
	c, found := &Contents{}, false
	rest := data[headerSize:size]
	for i := range atoms {
		if len(rest) < atomHeader {
			return nil, fmt.Errorf("read HAT EEPROM: atom %d ends early", i)
		}
		kind, length := binary.LittleEndian.Uint16(rest), binary.LittleEndian.Uint32(rest[4:])
		if length < 2 || uint64(length) > uint64(len(rest)-atomHeader) {
			return nil, fmt.Errorf("read HAT EEPROM: atom %d has %d bytes, want 2 to %d", i, length, len(rest)-atomHeader)
		}
		atom := rest[:atomHeader+length]
		rest = rest[len(atom):]
		content, sum := atom[:len(atom)-2], binary.LittleEndian.Uint16(atom[len(atom)-2:])
		if got := crc16(content); got != sum {
			return nil, fmt.Errorf("read HAT EEPROM: atom %d has checksum 0x%04x, want 0x%04x", i, got, sum)
		}
		switch kind {
		case atomVendor:
			if err := c.parseVendor(content[atomHeader:]); err != nil {
				return nil, err
			}
			found = true
		case atomCustom:
			c.Custom = append(c.Custom, content[atomHeader:])
		}
	}
	if !found {
		return nil, errors.New("read HAT EEPROM: vendor is missing")
	}
	return c, nil
}

// parseHeader returns the bytes that are used, and the number of atoms.
func parseHeader(data []byte) (size, atoms int, err error) {
	if len(data) < headerSize {
		return 0, 0, fmt.Errorf("read HAT EEPROM: %d bytes, want at least %d", len(data), headerSize)
	}
	if string(data[:4]) == "\xff\xff\xff\xff" {
		return 0, 0, ErrBlank
	}
	if string(data[:4]) != signature {
		return 0, 0, fmt.Errorf("read HAT EEPROM: signature is %q, want %q", data[:4], signature)
	}
	if data[4] != 1 {
		return 0, 0, fmt.Errorf("read HAT EEPROM: version is %d, want 1", data[4])
	}
	n := binary.LittleEndian.Uint32(data[8:])
	if n < headerSize || n > maxSize {
		return 0, 0, fmt.Errorf("read HAT EEPROM: size is %d, want %d to %d", n, headerSize, maxSize)
	}
	return int(n), int(binary.LittleEndian.Uint16(data[6:])), nil
}

func (c *Contents) parseVendor(b []byte) error {
	const fixed = 22
	if len(b) < fixed || len(b) < fixed+int(b[20])+int(b[21]) {
		return errors.New("read HAT EEPROM: vendor ends early")
	}
	for i := range c.UUID { // four little-endian words, the last one first
		c.UUID[i] = b[15-i]
	}
	c.ProductID, c.ProductVersion = binary.LittleEndian.Uint16(b[16:]), binary.LittleEndian.Uint16(b[18:])
	c.Vendor = string(b[fixed : fixed+int(b[20])])
	c.Product = string(b[fixed+int(b[20]) : fixed+int(b[20])+int(b[21])])
	return nil
}

// Read reads the ID EEPROM of the HAT on an I2C bus and decodes it with Parse. It fails if no EEPROM answers, or if Parse
// fails.
func Read(bus i2c.Bus) (*Contents, error) {
	header, err := readAt(bus, 0, headerSize)
	if err != nil {
		return nil, err
	}
	size, _, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	data, err := readAt(bus, 0, size)
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

func readAt(bus i2c.Bus, at, n int) ([]byte, error) {
	const most = 256 // bytes of a transfer
	data := make([]byte, n)
	for i := 0; i < n; i += most {
		address := binary.BigEndian.AppendUint16(nil, uint16(at+i))
		if err := bus.Tx(Address, address, data[i:min(i+most, n)]); err != nil {
			return nil, fmt.Errorf("read HAT EEPROM at 0x%04x: %w", at+i, err)
		}
	}
	return data, nil
}

// crc16 is CRC-16/ARC.
func crc16(data []byte) uint16 {
	var crc uint16
	for _, b := range data {
		crc ^= uint16(b)
		for range 8 {
			carry := crc & 1
			crc >>= 1
			if carry != 0 {
				crc ^= 0xa001
			}
		}
	}
	return crc
}
