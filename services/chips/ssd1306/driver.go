// Package ssd1306 shows text on an SSD1306 display of 128×32 pixels over I2C, and has a model of the chip.
//
// The driver was tried against the model only. Data sheet: SSD1306, revision 1.1, Solomon Systech 2008.
package ssd1306

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"periph.io/x/conn/v3/i2c"
)

// Address is the address of the display on the bus.
const Address = 0x3c

// Size of the display in pixels, and in characters.
const (
	Width, Height = 128, 32

	Columns, Rows = Width / 7, 2
)

// Control bytes: what follows is commands or pixels.
const (
	controlCommand = 0x00
	controlData    = 0x40
)

// setup switches the display on (data sheet, sections 9 and 10).
var setup = []byte{
	0xae,       // off
	0xd5, 0x80, // clock
	0xa8, Height - 1, // multiplex ratio
	0xd3, 0x00, // no offset
	0x40,       // start line 0
	0x8d, 0x14, // charge pump on
	0x20, 0x00, // horizontal addressing
	0xa1, 0xc8, // rotated by half a turn
	0xda, 0x02, // pins of a display of 32 lines
	0x81, 0x8f, // contrast
	0xd9, 0xf1, // pre-charge
	0xdb, 0x40, // deselect level
	0xa4, 0xa6, // content of the memory, not inverted
	0x2e, // no scrolling
	0xaf, // on
}

// Driver shows lines of text on an SSD1306 display on an I2C bus. Two lines fit at a time, and each call of Show moves
// on to the next two.
type Driver struct {
	device i2c.Dev

	mu    sync.Mutex
	lines []string
	page  int
	drawn string // what the display shows
}

// New switches the display on an I2C bus on, with all pixels off, and returns its driver. It fails if no display answers.
func New(bus i2c.Bus) (*Driver, error) {
	d := &Driver{device: i2c.Dev{Bus: bus, Addr: Address}}
	if err := d.command(setup...); err != nil {
		return nil, fmt.Errorf("open display: %w", err)
	}
	return d, d.draw(nil)
}

// Show displays two of the lines: the first two if lines has changed since the last call or the last call showed its end,
// else the next two. Characters that do not fit or are not ASCII are left out.
func (d *Driver) Show(lines []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.Join(d.lines, "\n") != strings.Join(lines, "\n") || d.page+Rows >= len(lines) {
		d.page = 0
	} else {
		d.page += Rows
	}
	d.lines = append([]string(nil), lines...)
	return d.draw(d.lines[min(d.page, len(d.lines)):min(d.page+Rows, len(d.lines))])
}

// Clear switches all pixels of the display off. The next Show begins with the first line.
func (d *Driver) Clear() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = nil
	return d.draw(nil)
}

func (d *Driver) draw(lines []string) error {
	text := strings.Join(lines, "\n")
	if text == d.drawn && text != "" {
		return nil
	}
	d.drawn = ""
	picture := image.NewGray(image.Rect(0, 0, Width, Height))
	for i, line := range lines {
		pen := font.Drawer{
			Dst: picture, Src: image.NewUniform(color.White), Face: basicfont.Face7x13,
			Dot: fixed.P(0, 12+16*i),
		}
		pen.DrawString(line[:min(len(line), Columns)])
	}
	// A byte is a column of eight pixels, the lowest bit above.
	data := []byte{controlData}
	for page := range Height / 8 {
		for x := range Width {
			var b byte
			for bit := range 8 {
				if picture.GrayAt(x, page*8+bit).Y > 0 {
					b |= 1 << bit
				}
			}
			data = append(data, b)
		}
	}
	if err := d.command(0x21, 0, Width-1, 0x22, 0, Height/8-1); err != nil {
		return fmt.Errorf("draw on display: %w", err)
	}
	if err := d.device.Tx(data, nil); err != nil {
		return fmt.Errorf("draw on display: %w", err)
	}
	d.drawn = text
	return nil
}

func (d *Driver) command(c ...byte) error {
	return d.device.Tx(append([]byte{controlCommand}, c...), nil)
}
