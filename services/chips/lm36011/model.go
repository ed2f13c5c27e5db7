package lm36011

import (
	"fmt"
	"sync"
)

// Model is an LM36011 with an LED, at the level of its registers. It implements bus.Device.
type Model struct {
	mu        sync.Mutex
	registers [8]byte
	pointer   byte
	id        byte
}

// NewModel returns a simulated LM36011 in its state after power-on.
func NewModel() *Model {
	m := &Model{id: 0x01}
	m.reset()
	return m
}

func (m *Model) reset() {
	m.registers = [8]byte{regEnable: 0x20, regConfig: 0x15, regID: m.id}
}

// SetID changes the device ID and silicon revision.
func (m *Model) SetID(id byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id = id
	m.registers[regID] = id
}

// SetFlags raises flags of register 5. All flags but that of a lowered current also switch the LED off.
func (m *Model) SetFlags(flags byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.registers[regFlags] |= flags
	if flags&^flagScaleBack != 0 {
		m.registers[regEnable] &^= modeMask
	}
}

// Current returns the current through the LED in mA; 0 while the LED is off.
func (m *Model) Current() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.registers[regEnable]&modeMask != modeTorch {
		return 0
	}
	return 2.4 + float64(m.registers[regTorch]&torchMax)*(MaxCurrent-2.4)/torchMax
}

// Write sets the register pointer to the first byte of w, and the registers from there on to the others. It fails if a
// register does not exist.
func (m *Model) Write(w []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pointer = w[0]
	for _, value := range w[1:] {
		if m.pointer < regEnable || m.pointer > regID {
			return fmt.Errorf("no acknowledgement of register 0x%02x", m.pointer)
		}
		switch m.pointer {
		case regID:
			if value&softReset != 0 {
				m.reset()
			}
		case regFlags:
		default:
			m.registers[m.pointer] = value
		}
		m.pointer++
	}
	return nil
}

// Read fills r with the registers from the register pointer on. Reading the register of the flags clears them.
func (m *Model) Read(r []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range r {
		r[i] = m.registers[m.pointer&7]
		if m.pointer == regFlags {
			m.registers[regFlags] = 0
		}
		m.pointer++
	}
	return nil
}
