// Package tmc5160 drives a TMC5160 stepper driver with its ramp generator over SPI, and has a model of the chip. It uses
// positioning with a trapezoidal ramp only: no step and direction inputs, encoders or reference switches.
//
// The driver was tried against the model only. Data sheet: TMC5160A, revision 1.17, Trinamic 2022.
package tmc5160

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/spi"
)

// Errors of a motor. They are wrapped with the motor's name.
var (
	ErrStall           = errors.New("motor stalled")
	ErrOverTemperature = errors.New("driver is too hot and switched itself off")
	ErrShort           = errors.New("short circuit of a motor coil")
	ErrReset           = errors.New("chip was reset, its supply may have dropped")
)

// MicrostepsPerStep is the resolution that the driver sets.
const MicrostepsPerStep = 256

// PollInterval is the time between two looks at the progress of a move.
const PollInterval = 10 * time.Millisecond

// Options are the motor's name, direction, acceleration and stall detection for a Driver. An Acceleration of zero means
// DefaultAcceleration.
type Options struct {
	Name         string  // for messages
	Reverse      bool    // inverts the direction
	Acceleration float64 // microsteps/s², up to 4.2 million

	// StallThreshold makes a stalled motor stop with ErrStall. It is StallGuard's threshold, -64 to 63, which has to be found for
	// each motor, load and speed. Nil means that stalls are not detected.
	StallThreshold *int
}

// DefaultAcceleration is in microsteps/s²: 2000 in the unit of the chip.
const DefaultAcceleration = 2000 * clock * clock / (1 << 41)

// Driver moves a stepper motor with a TMC5160 chip on an SPI bus. Its methods may be called concurrently, but only one
// Move runs at a time.
type Driver struct {
	conn    spi.Conn
	enable  gpio.PinOut
	options Options

	moving sync.Mutex
	mu     sync.Mutex
	hot    bool
}

// New configures the chip on conn, with its output stage off, and returns its driver. The pin enable switches the output
// stage on while it is low. It fails if the chip is not a TMC5160.
func New(conn spi.Conn, enable gpio.PinOut, o Options) (*Driver, error) {
	if o.Acceleration == 0 {
		o.Acceleration = DefaultAcceleration
	}
	o.Acceleration = acceleration(accelerationUnits(o.Acceleration)) // as the chip rounds it
	d := &Driver{conn: conn, enable: enable, options: o}
	if err := d.enable.Out(gpio.High); err != nil {
		return nil, fmt.Errorf("switch motor %s off: %w", o.Name, err)
	}
	if err := d.configure(); err != nil {
		return nil, fmt.Errorf("configure TMC5160 of motor %s: %w", o.Name, err)
	}
	return d, nil
}

func (d *Driver) configure() error {
	ioin, _, err := d.read(regIOIN)
	if err != nil {
		return err
	}
	if version := ioin >> 24; version != ioinVersion {
		return fmt.Errorf("version is 0x%02x, want 0x%02x: check that the HAT is connected", version, ioinVersion)
	}
	gconf := uint32(gconfStealthChop)
	if d.options.Reverse {
		gconf |= gconfShaft
	}
	amax := accelerationUnits(d.options.Acceleration)
	swMode, coolConf, coolLimit := uint32(0), uint32(0), uint32(0)
	if t := d.options.StallThreshold; t != nil {
		gconf &^= gconfStealthChop // StallGuard 2 works in SpreadCycle only
		swMode, coolConf, coolLimit = swStallStop, uint32(*t&0x7f)<<16, 0xfffff
	}
	for _, r := range []struct {
		address byte
		value   uint32
	}{
		{regGSTAT, gstatReset | gstatDriverError | gstatUndervolt}, // writing ones clears the flags
		{regGCONF, gconf},
		{regCHOPCONF, 0x000100c3},     // TOFF 3, HSTRT 4, HEND 1, TBL 2, 256 microsteps
		{regIHOLDIRUN, 8<<16 | 20<<8}, // no current at standstill, 20/31 while moving
		{regTPOWERDOWN, 10},           // after 0.2 s of standstill
		{regTCOOLTHRS, coolLimit},
		{regCOOLCONF, coolConf},
		{regSWMODE, swMode},
		{regRAMPMODE, rampHold}, // XACTUAL is written first, so that nothing moves
		{regXACTUAL, 0},
		{regXTARGET, 0},
		{regA1, amax},
		{regV1, 0}, // no second slope
		{regAMAX, amax},
		{regDMAX, amax},
		{regD1, amax}, // must not be 0, even without a second slope
		{regVSTART, 0},
		{regVSTOP, 10}, // must not be below VSTART
		{regTZEROWAIT, 0},
		{regVMAX, 0},
		{regRAMPMODE, rampPosition},
	} {
		if err := d.write(r.address, r.value); err != nil {
			return err
		}
	}
	return nil
}

// Duration returns how long Move takes for a number of microsteps at a speed in microsteps/s, with its acceleration and
// deceleration.
func (d *Driver) Duration(microsteps int64, speed float64) time.Duration {
	n, a := math.Abs(float64(microsteps)), d.options.Acceleration
	speed = velocity(velocityUnits(speed))
	seconds := n/speed + speed/a
	if n < speed*speed/a { // the motor never reaches the speed
		seconds = 2 * math.Sqrt(n/a)
	}
	return time.Duration(seconds * float64(time.Second))
}

// Hot reports whether the chip warned of its temperature when the current or last move looked at it last.
func (d *Driver) Hot() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hot
}

// Move turns the motor by some microsteps, backwards if negative, at a speed in microsteps/s, and returns when it has
// arrived. If ctx ends, it stops the motor and returns the cause of ctx; at a fault, or if the motor arrives too late, it
// stops the motor with an error such as ErrStall. The motor is without current afterwards, whatever happened.
func (d *Driver) Move(ctx context.Context, microsteps int64, speed float64) (err error) {
	d.moving.Lock()
	defer d.moving.Unlock()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if microsteps > math.MaxInt32 || microsteps < -math.MaxInt32 {
		return fmt.Errorf("move motor %s: %d microsteps are more than %d", d.options.Name, microsteps, math.MaxInt32)
	}
	defer func() {
		if off := d.enable.Out(gpio.High); off != nil {
			err = errors.Join(err, fmt.Errorf("switch motor %s off: %w", d.options.Name, off))
		}
	}()
	if err := d.start(int32(microsteps), speed); err != nil {
		return fmt.Errorf("move motor %s: %w", d.options.Name, err)
	}
	if err := d.wait(ctx, d.Duration(microsteps, speed)); err != nil {
		if ctx.Err() != nil {
			return errors.Join(err, d.halt())
		}
		return fmt.Errorf("move motor %s: %w", d.options.Name, errors.Join(err, d.halt()))
	}
	return nil
}

// start sets the target. The position counts from 0 for each move, so that it cannot overflow.
func (d *Driver) start(microsteps int32, speed float64) error {
	if _, status, err := d.read(regGSTAT); err != nil {
		return err
	} else if status&(statusReset|statusDriverError) != 0 {
		if err := d.configure(); err != nil { // a reset clears all registers
			return err
		}
	}
	for _, r := range []struct {
		address byte
		value   uint32
	}{
		{regRAMPMODE, rampHold},
		{regXACTUAL, 0},
		{regXTARGET, 0},
		{regRAMPSTAT, rampStatStall},
		{regVMAX, velocityUnits(speed)},
		{regRAMPMODE, rampPosition},
	} {
		if err := d.write(r.address, r.value); err != nil {
			return err
		}
	}
	if err := d.enable.Out(gpio.Low); err != nil {
		return err
	}
	if err := d.write(regXTARGET, uint32(microsteps)); err != nil {
		return err
	}
	// SPI has no acknowledgement: a chip that is gone is noticed by what it returns.
	switch target, _, err := d.read(regXTARGET); {
	case err != nil:
		return err
	case target != uint32(microsteps):
		return fmt.Errorf("XTARGET is %d, want %d", int32(target), microsteps)
	}
	return nil
}

func (d *Driver) wait(ctx context.Context, expected time.Duration) error {
	tick := time.NewTicker(PollInterval)
	defer tick.Stop()
	// The oscillator of the chip may be slower than its nominal frequency.
	limit := time.NewTimer(expected + expected/5 + time.Second)
	defer limit.Stop()
	for {
		switch done, err := d.poll(); {
		case err != nil:
			return err
		case done:
			return nil
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return fmt.Errorf("position was not reached within %v", expected.Round(time.Millisecond))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// poll reports whether the target is reached, or the error that ended the move.
func (d *Driver) poll() (done bool, err error) {
	ramp, status, err := d.read(regRAMPSTAT)
	if err != nil {
		return false, err
	}
	drive, _, err := d.read(regDRVSTATUS)
	if err != nil {
		return false, err
	}
	d.mu.Lock()
	d.hot = drive&drvTemperatureWarn != 0
	d.mu.Unlock()
	switch {
	case status&statusReset != 0:
		return false, ErrReset
	case drive&drvOverTemperature != 0:
		return false, ErrOverTemperature
	case drive&(drvShortA|drvShortB) != 0:
		return false, ErrShort
	case status&statusDriverError != 0:
		return false, fmt.Errorf("driver error, DRV_STATUS is 0x%08x", drive)
	case d.options.StallThreshold != nil && ramp&rampStatStall != 0:
		return false, ErrStall
	}
	return ramp&rampStatPositionReached != 0, nil
}

// halt decelerates the motor and waits for its standstill.
func (d *Driver) halt() error {
	if err := d.write(regVMAX, 0); err != nil {
		return err
	}
	if err := d.write(regRAMPMODE, rampHold-1); err != nil { // velocity mode with VMAX 0 decelerates with AMAX
		return err
	}
	for range 200 {
		ramp, _, err := d.read(regRAMPSTAT)
		if err != nil || ramp&rampStatStandstill != 0 {
			return err
		}
		time.Sleep(PollInterval)
	}
	return errors.New("motor did not stop within 2 s")
}

// Off switches the output stage off with the enable pin, which works even if the bus does not.
func (d *Driver) Off() error { return d.enable.Out(gpio.High) }
