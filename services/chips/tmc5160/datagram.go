package tmc5160

import (
	"encoding/binary"
	"fmt"
)

// read returns the value of a register and the status byte. The chip answers with the next datagram (data sheet, section 4.1).
func (d *Driver) read(address byte) (value uint32, status byte, err error) {
	w, r := []byte{address, 0, 0, 0, 0}, make([]byte, 5)
	for range 2 {
		if err := d.conn.Tx(w, r); err != nil {
			return 0, 0, fmt.Errorf("read register 0x%02x: %w", address, err)
		}
	}
	return binary.BigEndian.Uint32(r[1:]), r[0], nil
}

func (d *Driver) write(address byte, value uint32) error {
	w := binary.BigEndian.AppendUint32([]byte{address | writeFlag}, value)
	if err := d.conn.Tx(w, make([]byte, 5)); err != nil {
		return fmt.Errorf("write register 0x%02x: %w", address, err)
	}
	return nil
}
