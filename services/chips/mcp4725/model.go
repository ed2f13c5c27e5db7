package mcp4725

import (
	"fmt"
	"sync"
	"time"
)

// Model is a simulated MCP4725 digital-to-analog converter, which implements bus.Device. Writing its EEPROM takes time,
// by time.Now.
type Model struct {
	mu     sync.Mutex
	output setting
	eeprom setting
	busy   time.Time // until then the EEPROM is being written
	stuck  bool
}

type setting struct {
	code uint16
	down byte
}

func (s setting) fraction() float64 {
	if s.down != 0 {
		return 0
	}
	return float64(s.code) / (1 << 12)
}

// NewModel returns a simulated MCP4725 as it comes from the factory: its output is half of the supply voltage.
func NewModel() *Model {
	m := &Model{eeprom: setting{code: 1 << 11}}
	m.output = m.eeprom
	return m
}

// Output returns the simulated output voltage as a fraction, 0 to 1, of the supply voltage.
func (m *Model) Output() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.output.fraction()
}

// PowerCycle simulates a power failure, after which the output has the value in the EEPROM.
func (m *Model) PowerCycle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.output = m.eeprom
}

// SetStuck makes the chip ignore new values for its output; false makes the chip take them again.
func (m *Model) SetStuck(stuck bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stuck = stuck
}

// Write executes a command of the datasheet: two bytes in the fast mode, or a command byte and two bytes. It fails for an
// unknown command, and ignores one for the EEPROM while that is being written.
func (m *Model) Write(w []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var s setting
	switch {
	case len(w) == 2 && w[0]&0xc0 == 0:
		s = setting{uint16(w[0]&0x0f)<<8 | uint16(w[1]), w[0] >> 4 & 3}
	case len(w) == 3 && (w[0]&0xe0 == 0x40 || w[0]&0xe0 == commandEEPROM):
		s = setting{uint16(w[1])<<4 | uint16(w[2])>>4, w[0] >> 1 & 3}
		if w[0]&0xe0 == commandEEPROM {
			if time.Now().Before(m.busy) {
				return nil // ignored, as the data sheet says
			}
			m.eeprom, m.busy = s, time.Now().Add(25*time.Millisecond)
		}
	default:
		return fmt.Errorf("command % x is unknown", w)
	}
	if !m.stuck {
		m.output = s
	}
	return nil
}

// Read fills r with the chip's state, output value and EEPROM, as the datasheet says.
func (m *Model) Read(r []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	status := m.output.down<<1 | 1<<6
	if !time.Now().Before(m.busy) {
		status |= ready
	}
	copy(r, []byte{
		status, byte(m.output.code >> 4), byte(m.output.code << 4),
		m.eeprom.down<<5 | byte(m.eeprom.code>>8), byte(m.eeprom.code),
	})
	return nil
}
