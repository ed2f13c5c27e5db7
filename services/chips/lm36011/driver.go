// Package lm36011 drives an LM36011 LED driver in its torch mode over I2C, and has a model of the chip. It does not use flashes.
//
// The driver was tried against the model only. Data sheet: LM36011, SNVSAN5, Texas Instruments.
package lm36011

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"periph.io/x/conn/v3/i2c"
)

// Address is the address of the chip on the bus.
const Address = 0x64

// MaxCurrent is the largest current of the torch mode, in mA.
const MaxCurrent = 376

// Registers and their bits.
const (
	regEnable = 0x01
	regConfig = 0x02
	regTorch  = 0x04
	regFlags  = 0x05
	regID     = 0x06

	modeMask  = 0x03
	modeTorch = 0x02

	torchMax     = 0x7f
	torchRamp    = 1 << 0 // of regConfig: the current rises in 1 ms
	softReset    = 1 << 7 // of regID
	deviceIDMask = 0x38   // of regID; 0 in an LM36011

	flagUndervoltage = 1 << 1
	flagShutdown     = 1 << 2
	flagScaleBack    = 1 << 3
	flagShort        = 1 << 5
)

// Faults of the light, from the flags of the chip.
var (
	ErrUndervoltage    = errors.New("supply voltage is too low")
	ErrOverTemperature = errors.New("LED driver is too hot and switched itself off")
	ErrScaledBack      = errors.New("LED driver is hot and lowered the current")
	ErrShort           = errors.New("short circuit of the LED")
)

// Driver controls the current of an LED with an LM36011 driver chip on an I2C bus.
type Driver struct {
	device i2c.Dev
	mu     sync.Mutex
	on     bool
}

// New resets the chip and returns its driver: the LED is off and its current 10 mA. It fails if no chip or another one
// answers.
func New(bus i2c.Bus) (*Driver, error) {
	d := &Driver{device: i2c.Dev{Bus: bus, Addr: Address}}
	if err := d.write(regID, softReset); err != nil {
		return nil, fmt.Errorf("reset LM36011: %w", err)
	}
	time.Sleep(time.Millisecond)
	id, err := d.read(regID)
	if err != nil {
		return nil, fmt.Errorf("identify LM36011: %w", err)
	}
	if id&deviceIDMask != 0 {
		return nil, fmt.Errorf("identify LM36011: device ID is %d, want 0", id&deviceIDMask>>3)
	}
	if err := d.write(regConfig, torchRamp); err != nil {
		return nil, fmt.Errorf("configure LM36011: %w", err)
	}
	if _, err := d.read(regFlags); err != nil { // reading clears the flags
		return nil, fmt.Errorf("configure LM36011: %w", err)
	}
	return d, d.SetCurrent(10)
}

// SetCurrent sets the current of the LED in mA. The chip has 128 steps of about 3 mA, and the least, also for 0, is 2.4 mA.
// It fails outside 0 to MaxCurrent.
func (d *Driver) SetCurrent(mA float64) error {
	if !(mA >= 0 && mA <= MaxCurrent) {
		return fmt.Errorf("set current of the light: %v mA is not between 0 and %d", mA, MaxCurrent)
	}
	return d.setTorch(byte(mA * 0.34))
}

// SetValue sets the current as a fraction, 0 to 1, of MaxCurrent; 0 is the least current, 2.4 mA, and not off. It fails
// outside 0 to 1.
func (d *Driver) SetValue(value float64) error {
	if !(value >= 0 && value <= 1) {
		return fmt.Errorf("set brightness of the light: %v is not between 0 and 1", value)
	}
	return d.setTorch(byte(math.Round(value * torchMax)))
}

func (d *Driver) setTorch(code byte) error {
	if err := d.write(regTorch, min(code, torchMax)); err != nil {
		return fmt.Errorf("set current of the light: %w", err)
	}
	return nil
}

// Value reads the current that is set from the chip, as a fraction, 0 to 1, of MaxCurrent.
func (d *Driver) Value() (float64, error) {
	code, err := d.read(regTorch)
	if err != nil {
		return 0, fmt.Errorf("read current of the light: %w", err)
	}
	return float64(code&torchMax) / torchMax, nil
}

// On switches the LED on, with the current that was set last.
func (d *Driver) On() error {
	if err := d.write(regEnable, modeTorch); err != nil {
		return fmt.Errorf("switch light on: %w", err)
	}
	d.setOn(true)
	return nil
}

// Off switches the LED off.
func (d *Driver) Off() error {
	if err := d.write(regEnable, 0); err != nil {
		return fmt.Errorf("switch light off: %w", err)
	}
	d.setOn(false)
	return nil
}

// IsOn reports whether the LED was switched on, and Check has not found since that the chip switched it off.
func (d *Driver) IsOn() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.on
}

func (d *Driver) setOn(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = on
}

// Check returns the faults since the last call, joined, or nil if there were none. The chip switches the LED off by itself
// for all but ErrScaledBack.
func (d *Driver) Check() error {
	flags, err := d.read(regFlags)
	if err != nil {
		return fmt.Errorf("check light: %w", err)
	}
	var errs []error
	for _, f := range []struct {
		flag byte
		err  error
	}{
		{flagUndervoltage, ErrUndervoltage}, {flagShutdown, ErrOverTemperature}, {flagScaleBack, ErrScaledBack}, {flagShort, ErrShort},
	} {
		if flags&f.flag != 0 {
			errs = append(errs, f.err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	if mode, err := d.read(regEnable); err == nil && mode&modeMask == 0 {
		d.setOn(false)
	}
	return fmt.Errorf("check light: %w", errors.Join(errs...))
}

func (d *Driver) write(register, value byte) error {
	if err := d.device.Tx([]byte{register, value}, nil); err != nil {
		return fmt.Errorf("write register 0x%02x: %w", register, err)
	}
	return nil
}

func (d *Driver) read(register byte) (byte, error) {
	r := make([]byte, 1)
	if err := d.device.Tx([]byte{register}, r); err != nil {
		return 0, fmt.Errorf("read register 0x%02x: %w", register, err)
	}
	return r[0], nil
}
