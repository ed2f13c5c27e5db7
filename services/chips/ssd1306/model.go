package ssd1306

import (
	"fmt"
	"strings"
	"sync"
)

// Model is a simulated SSD1306 display with its memory. It implements bus.Device.
type Model struct {
	mu           sync.Mutex
	memory       [8 * Width]byte
	on           bool
	pump         bool // the supply of the pixels
	multiplex    byte
	column, page window
}

// window is a range of addresses, and the next one.
type window struct{ first, last, next byte }

// parameters has the number of bytes that follow a command.
var parameters = map[byte]int{
	0x20: 1, 0x21: 2, 0x22: 2, 0x81: 1, 0x8d: 1, 0xa8: 1, 0xd3: 1, 0xd5: 1, 0xd9: 1, 0xda: 1, 0xdb: 1,
}

// Write receives commands or pixels, as the control byte says.
func (m *Model) Write(w []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch w[0] {
	case controlCommand:
		return m.commands(w[1:])
	case controlData:
		for _, b := range w[1:] {
			m.data(b)
		}
		return nil
	}
	return fmt.Errorf("control byte 0x%02x is unknown", w[0])
}

func (m *Model) commands(c []byte) error {
	for len(c) > 0 {
		n := parameters[c[0]] + 1
		if len(c) < n {
			return fmt.Errorf("command 0x%02x has %d bytes, want %d", c[0], len(c), n)
		}
		switch c[0] {
		case 0x21:
			m.column = window{c[1], c[2], c[1]}
		case 0x22:
			m.page = window{c[1], c[2], c[1]}
		case 0x8d:
			m.pump = c[1]&4 != 0
		case 0xa8:
			m.multiplex = c[1]
		case 0xae, 0xaf:
			m.on = c[0] == 0xaf
		}
		c = c[n:]
	}
	return nil
}

func (m *Model) data(b byte) {
	m.memory[int(m.page.next&7)*Width+int(m.column.next&127)] = b
	if m.column.next++; m.column.next > m.column.last {
		m.column.next = m.column.first
		if m.page.next++; m.page.next > m.page.last {
			m.page.next = m.page.first
		}
	}
}

// Read fills r with the status byte of the display.
func (m *Model) Read(r []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range r {
		r[i] = 0
		if !m.on {
			r[i] = 1 << 6
		}
	}
	return nil
}

// String returns all pixels as lines of # (lit) and spaces, or "" while the display is off or not set up.
func (m *Model) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.on || !m.pump || m.multiplex != Height-1 {
		return ""
	}
	var b strings.Builder
	for y := range Height {
		for x := range Width {
			if m.memory[y/8*Width+x]>>(y%8)&1 != 0 {
				b.WriteByte('#')
			} else {
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
