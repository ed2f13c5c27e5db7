// Package mcp4725 drives an MCP4725 digital-to-analogue converter over I2C, and has a model of the chip. The PlanktoScope HAT 3.3 has
// one for the light and one for the bubbler.
//
// The driver was tried against the model only. Data sheet: MCP4725, DS22039D, Microchip 2009.
package mcp4725

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"periph.io/x/conn/v3/i2c"
)

// Addresses on the PlanktoScope HAT 3.3.
const (
	LightAddress   = 0x62
	BubblerAddress = 0x60
)

const (
	full = 1<<12 - 1 // of the converter

	commandEEPROM = 0x60 // writes the output and the EEPROM
	powerDown     = 1    // 1 kΩ to ground
	ready         = 1 << 7
)

// ErrBusy says that the chip did not finish writing its EEPROM.
var ErrBusy = errors.New("EEPROM is still being written")

// Driver sets the output voltage of an MCP4725 digital-to-analog converter on an I2C bus. The output is off until On.
type Driver struct {
	device i2c.Dev
	name   string

	mu    sync.Mutex
	on    bool
	value float64
}

// New returns the driver of the chip at an I2C address, and switches its output off. The first On switches to the full
// supply voltage unless SetValue comes before. name is what the chip drives, for messages.
func New(bus i2c.Bus, address uint16, name string) (*Driver, error) {
	d := &Driver{device: i2c.Dev{Bus: bus, Addr: address}, name: name, value: 1}
	if err := d.Off(); err != nil {
		return nil, err
	}
	return d, nil
}

// SetValue sets the output as a fraction, 0 to 1, of the supply voltage. While the output is off, the value is kept for On.
// It fails outside 0 to 1, or if the chip does not take the value.
func (d *Driver) SetValue(value float64) error {
	if !(value >= 0 && value <= 1) {
		return fmt.Errorf("set %s: %v is not between 0 and 1", d.name, value)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.on {
		if err := d.output(value, false); err != nil {
			return err
		}
	}
	d.value = value
	return nil
}

// Value returns the value of the last SetValue, a fraction, 0 to 1, of the supply voltage, also while the output is off. It
// is 1 before the first SetValue. The error is always nil.
func (d *Driver) Value() (float64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.value, nil
}

// On switches the output on, to the value of the last SetValue.
func (d *Driver) On() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.output(d.value, false); err != nil {
		return err
	}
	d.on = true
	return nil
}

// Off switches the output off, to ground. The value is kept for On.
func (d *Driver) Off() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.output(0, true); err != nil {
		return err
	}
	d.on = false
	return nil
}

// IsOn reports whether the output was switched on.
func (d *Driver) IsOn() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.on
}

// Check returns nil, as the chip notices no faults.
func (d *Driver) Check() error { return nil }

// output writes the converter by the fast command and reads it back.
func (d *Driver) output(value float64, down bool) error {
	code := uint16(math.Round(value * full))
	w := []byte{byte(code >> 8), byte(code)}
	if down {
		w[0] |= powerDown << 4
	}
	if err := d.device.Tx(w, nil); err != nil {
		return fmt.Errorf("set %s: %w", d.name, err)
	}
	r := make([]byte, 3)
	if err := d.device.Tx(nil, r); err != nil {
		return fmt.Errorf("read back %s: %w", d.name, err)
	}
	if got := uint16(r[1])<<4 | uint16(r[2])>>4; got != code {
		return fmt.Errorf("set %s: output is %d of %d, want %d", d.name, got, full, code)
	}
	return nil
}

// Save writes the value of SetValue, or that the output is off if it is off now, to the EEPROM, from which the chip takes
// its output after power-on. It takes up to 50 ms, and fails with ErrBusy after 100 ms.
func (d *Driver) Save() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	code, command := uint16(math.Round(d.value*full)), byte(commandEEPROM)
	if !d.on {
		code, command = 0, command|powerDown<<1
	}
	if err := d.device.Tx([]byte{command, byte(code >> 4), byte(code << 4)}, nil); err != nil {
		return fmt.Errorf("save %s: %w", d.name, err)
	}
	for range 20 {
		r := make([]byte, 1)
		if err := d.device.Tx(nil, r); err != nil {
			return fmt.Errorf("save %s: %w", d.name, err)
		}
		if r[0]&ready != 0 {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("save %s: %w", d.name, ErrBusy)
}
