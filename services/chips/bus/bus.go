// Package bus connects models of chips to the bus interfaces of periph.io/x/conn, so that drivers run on models as they run on
// hardware. It has no timing of its own and no electrical effects.
package bus

import (
	"fmt"
	"sync"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Device is the model of a chip on an I2C bus. Write and Read are one transfer each, between a start and a stop or repeated start.
type Device interface {
	Write(w []byte) error
	Read(r []byte) error
}

// I2C is a simulated I2C bus, with models of chips at their 7-bit addresses. It implements i2c.BusCloser. One transaction
// runs at a time.
type I2C struct {
	Devices map[uint16]Device
	Fault   func(addr uint16) error // if not nil, is asked before each transaction; an error ends it

	mu sync.Mutex
}

func (b *I2C) String() string { return "simulated I2C bus" }

// Tx writes w to a device and then reads r from it. It fails if no device has the address.
func (b *I2C) Tx(addr uint16, w, r []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Fault != nil {
		if err := b.Fault(addr); err != nil {
			return err
		}
	}
	d, ok := b.Devices[addr]
	if !ok {
		return fmt.Errorf("no acknowledgement from I2C address 0x%02x", addr)
	}
	if len(w) > 0 {
		if err := d.Write(w); err != nil {
			return err
		}
	}
	if len(r) > 0 {
		return d.Read(r)
	}
	return nil
}

// SetSpeed does nothing.
func (b *I2C) SetSpeed(physic.Frequency) error { return nil }

// Close does nothing.
func (b *I2C) Close() error { return nil }

// SPI is a simulated SPI connection to the model of a chip: each transfer exchanges len(w) bytes. It implements
// spi.Conn.
type SPI struct {
	Exchange func(w, r []byte) error
}

func (s *SPI) String() string { return "simulated SPI device" }

// Duplex returns conn.Full.
func (s *SPI) Duplex() conn.Duplex { return conn.Full }

// Tx sends w to the model of the chip and receives r, which has the same length.
func (s *SPI) Tx(w, r []byte) error { return s.Exchange(w, r) }

// TxPackets exchanges one packet after the other.
func (s *SPI) TxPackets(packets []spi.Packet) error {
	for _, p := range packets {
		if err := s.Exchange(p.W, p.R); err != nil {
			return err
		}
	}
	return nil
}

// Pin is a simulated output pin, which tells the model of a chip its level. It implements gpio.PinOut.
type Pin struct {
	Label string
	Set   func(gpio.Level) error
}

func (p *Pin) String() string { return p.Label }

// Halt does nothing.
func (p *Pin) Halt() error { return nil }

// Name returns the label of the pin.
func (p *Pin) Name() string { return p.Label }

// Number returns -1, as a simulated pin has no number.
func (p *Pin) Number() int { return -1 }

// Function returns "Out".
func (p *Pin) Function() string { return "Out" }

// Out sets the level of the pin.
func (p *Pin) Out(l gpio.Level) error { return p.Set(l) }

// PWM fails: no model has an input for it.
func (p *Pin) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("pin %s has no PWM", p.Label)
}
