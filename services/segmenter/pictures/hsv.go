package pictures

import "math"

// hsvTable has the quotients of the conversion to HSV, with 12 bits after the point.
type hsvTable struct{ saturation, hue [256]int32 }

// newHSVTable returns the quotients.
func newHSVTable() *hsvTable {
	t := &hsvTable{}
	for i := 1; i < 256; i++ {
		t.saturation[i] = int32(math.RoundToEven(float64(255<<12) / float64(i)))
		t.hue[i] = int32(math.RoundToEven(float64(180<<12) / (6 * float64(i))))
	}
	return t
}

// HSV converts colours to hue (0 to 179, steps of two degrees), saturation and value (0 to 255), as OpenCV does for
// pictures of eight bits. It can be used by several goroutines at once.
type HSV struct{ table *hsvTable }

// NewHSV returns a converter from RGB to HSV with its tables.
func NewHSV() HSV { return HSV{newHSVTable()} }

// Convert converts a colour from RGB to hue, saturation and value.
func (c HSV) Convert(red, green, blue uint8) (hue, saturation, value uint8) {
	r, g, b := int32(red), int32(green), int32(blue)
	v := max(r, g, b)
	diff := v - min(r, g, b)
	var h int32
	switch v {
	case r:
		h = g - b
	case g:
		h = b - r + 2*diff
	default:
		h = r - g + 4*diff
	}
	h = (h*c.table.hue[diff] + 1<<11) >> 12
	if h < 0 {
		h += 180
	}
	s := (diff*c.table.saturation[v] + 1<<11) >> 12
	return uint8(h), uint8(s), uint8(v)
}
