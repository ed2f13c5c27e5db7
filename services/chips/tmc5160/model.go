package tmc5160

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Model is a simulated TMC5160 with a motor, at the level of its registers. Its motion takes time, by time.Now.
type Model struct {
	mu        sync.Mutex
	registers [regCount]uint32
	last      byte // address of the datagram before, whose value the next one returns
	ramp      ramp
	now       time.Time
	enabled   bool
	turned    float64 // microsteps that the motor made

	version uint32
	fault   error
	drive   uint32 // bits of DRV_STATUS that a test sets
	mangle  uint32 // is added to what the chip returns
}

// NewModel returns a simulated TMC5160 in its state after power-on.
func NewModel() *Model {
	m := &Model{version: ioinVersion, now: time.Now()}
	m.reset()
	return m
}

// reset sets the values after power-on (data sheet, section 6).
func (m *Model) reset() {
	m.registers = [regCount]uint32{}
	m.registers[regGSTAT] = gstatReset
	m.registers[regCHOPCONF] = 0x10410150
	m.registers[regPWMCONF] = 0xc40c001e
	m.registers[regD1] = 10
	m.registers[regVSTOP] = 1
	m.ramp = ramp{}
}

// Turned returns the position of the motor relative to that at NewModel, in microsteps; turns backwards count negative.
func (m *Model) Turned() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	return m.turned
}

// Reset simulates a power failure of the chip, which clears its registers.
func (m *Model) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	m.reset()
}

// SetVersion changes the chip version that the simulated register IOIN returns.
func (m *Model) SetVersion(version uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.version = version
}

// SetFault makes each SPI transfer return an error from now on; nil makes them work again.
func (m *Model) SetFault(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = err
}

// Heat sets the simulated temperature flags: the warning, and the shutdown of the output stage.
func (m *Model) Heat(warning, shutdown bool) {
	m.set(drvTemperatureWarn, warning)
	m.set(drvOverTemperature, shutdown)
}

// Short sets or clears the simulated flag of a short circuit to ground.
func (m *Model) Short(short bool) { m.set(drvShortA, short) }

// Stall blocks or frees the simulated motor. The chip detects a blocked motor if StallGuard is configured.
func (m *Model) Stall(stalled bool) { m.set(drvStallGuard, stalled) }

func (m *Model) set(flag uint32, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	m.drive &^= flag
	if on {
		m.drive |= flag
	}
	if m.drive&(drvOverTemperature|drvShortA) != 0 {
		m.registers[regGSTAT] |= gstatDriverError
	}
}

// Out sets the simulated pin DRV_ENN: low switches the output stage on.
func (m *Model) Out(l gpio.Level) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	m.enabled = l == gpio.Low
	return nil
}

// Exchange simulates an SPI transfer of one datagram, an address byte and 32 bits. r receives the status byte and the value
// of the register that the previous datagram addressed. It fails if w or r does not have 5 bytes.
func (m *Model) Exchange(w, r []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault != nil {
		return m.fault
	}
	if len(w) != 5 || len(r) != 5 {
		return fmt.Errorf("datagram has %d bytes, want 5", len(w))
	}
	m.advance()
	r[0] = m.status()
	binary.BigEndian.PutUint32(r[1:], m.read(m.last)+m.mangle)
	if w[0]&writeFlag != 0 {
		m.write(w[0]&^writeFlag, binary.BigEndian.Uint32(w[1:]))
	}
	m.last = w[0] &^ writeFlag
	return nil
}

func (m *Model) status() byte {
	s := byte(m.registers[regGSTAT] & (gstatReset | gstatDriverError))
	if m.drive&drvStallGuard != 0 {
		s |= 1 << 2
	}
	if m.ramp.v == 0 {
		s |= 1 << 3
	}
	return s
}

func (m *Model) read(address byte) uint32 {
	switch address {
	case regIOIN:
		return m.version << 24
	case regXACTUAL:
		return uint32(int32(m.ramp.x))
	case regVACTUAL:
		return uint32(int32(m.ramp.v*(1<<24)/clock)) & 0xffffff
	case regRAMPSTAT:
		s := m.registers[regRAMPSTAT]
		if m.registers[regRAMPMODE] == rampPosition && m.ramp.x == m.target() {
			s |= rampStatPositionReached
		}
		if m.ramp.v == 0 {
			s |= rampStatStandstill
		}
		return s
	case regDRVSTATUS:
		return m.drive
	}
	return m.registers[address]
}

func (m *Model) write(address byte, value uint32) {
	switch address {
	case regGSTAT, regRAMPSTAT:
		m.registers[address] &^= value // ones clear
		if m.drive&(drvOverTemperature|drvShortA) != 0 && address == regGSTAT {
			m.registers[regGSTAT] |= gstatDriverError
		}
	case regIOIN, regVACTUAL, regDRVSTATUS:
	case regXACTUAL:
		m.ramp.x = float64(int32(value))
	default:
		m.registers[address] = value
	}
}

func (m *Model) target() float64 { return float64(int32(m.registers[regXTARGET])) }

// advance moves the ramp on to the present. The motor follows it while its coils have current.
func (m *Model) advance() {
	now := time.Now()
	seconds := now.Sub(m.now).Seconds()
	m.now = now
	if seconds <= 0 {
		return
	}
	stalled := m.drive&drvStallGuard != 0
	if stalled && m.registers[regSWMODE]&swStallStop != 0 && m.ramp.v != 0 {
		m.registers[regRAMPSTAT] |= rampStatStall
	}
	before := m.ramp.x
	if m.registers[regRAMPSTAT]&rampStatStall != 0 {
		m.ramp.v = 0
	} else {
		m.turn(seconds)
	}
	powered := m.enabled && m.registers[regCHOPCONF]&chopTOFF != 0 && m.drive&(drvOverTemperature|drvShortA) == 0
	if powered && !stalled {
		direction := 1.0
		if m.registers[regGCONF]&gconfShaft != 0 {
			direction = -1
		}
		m.turned += direction * (m.ramp.x - before)
	}
}

func (m *Model) turn(seconds float64) {
	a, d := acceleration(m.registers[regAMAX]), acceleration(m.registers[regDMAX])
	vmax := velocity(m.registers[regVMAX])
	switch m.registers[regRAMPMODE] {
	case rampPosition:
		m.ramp.toPosition(m.target(), vmax, a, d, seconds)
	case 1:
		m.ramp.toVelocity(vmax, a, seconds)
	case 2:
		m.ramp.toVelocity(-vmax, a, seconds)
	case rampHold:
		m.ramp.x += m.ramp.v * seconds
	}
}
