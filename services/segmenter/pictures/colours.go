package pictures

import "image"

// rgbReader converts rows of a picture to RGB as libjpeg does: its colour planes are enlarged by a triangle filter ("fancy
// upsampling"), and the conversion is that of JFIF with 16 bits after the point.
type rgbReader struct {
	img    *image.YCbCr
	near   []int   // sums of two rows of a colour plane
	cb, cr []uint8 // a row of the enlarged planes
	table  *yccTable
}

// yccTable has the products of the conversion from YCbCr to RGB.
type yccTable struct {
	redCr, blueCb    [256]int32
	greenCb, greenCr [256]int32
}

// newYCCTable returns the products.
func newYCCTable() *yccTable {
	const half = 1 << 15
	t := &yccTable{}
	for i := range 256 {
		c := int32(i) - 128
		t.redCr[i] = (91881*c + half) >> 16   // 1.40200
		t.blueCb[i] = (116130*c + half) >> 16 // 1.77200
		t.greenCb[i] = -22554*c + half        // 0.34414
		t.greenCr[i] = -46802 * c             // 0.71414
	}
	return t
}

// newRGBReader returns a reader for the rows of a picture. It is for one goroutine.
func newRGBReader(img *image.YCbCr, table *yccTable) *rgbReader {
	w := img.Rect.Dx()
	return &rgbReader{img: img, near: make([]int, (w+1)/2), cb: make([]uint8, w+1), cr: make([]uint8, w+1), table: table}
}

// read converts row y to RGB triples.
func (r *rgbReader) read(y int, rgb []uint8) {
	width := r.img.Rect.Dx()
	luma := r.img.Y[y*r.img.YStride:][:width]
	cb, cr := r.colours(y)
	cb, cr, rgb = cb[:width], cr[:width], rgb[:3*width]
	t := r.table
	for x, l := range luma {
		l, b, c := int32(l), cb[x], cr[x]
		out := rgb[3*x : 3*x+3 : 3*x+3]
		out[0] = clamp(l + t.redCr[c])
		out[1] = clamp(l + (t.greenCb[b]+t.greenCr[c])>>16)
		out[2] = clamp(l + t.blueCb[b])
	}
}

// clamp limits a value to a byte.
func clamp(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^(v >> 31)) // 0 for negative values
}

// colours returns row y of the colour planes in full width.
func (r *rgbReader) colours(y int) (cb, cr []uint8) {
	width, height := r.img.Rect.Dx(), r.img.Rect.Dy()
	switch r.img.SubsampleRatio {
	case image.YCbCrSubsampleRatio444:
		return r.img.Cb[y*r.img.CStride:][:width], r.img.Cr[y*r.img.CStride:][:width]
	case image.YCbCrSubsampleRatio420:
		near, far := y/2, y/2-1
		if y%2 == 1 {
			far = y/2 + 1
		}
		far = max(0, min((height+1)/2-1, far))
		r.enlarge(r.img.Cb, near, far, r.cb)
		r.enlarge(r.img.Cr, near, far, r.cr)
	case image.YCbCrSubsampleRatio422:
		r.widen(r.img.Cb[y*r.img.CStride:], r.cb)
		r.widen(r.img.Cr[y*r.img.CStride:], r.cr)
	default: // rare layouts: each sample counts for its whole block
		for x := range width {
			i := r.img.COffset(x, y)
			r.cb[x], r.cr[x] = r.img.Cb[i], r.img.Cr[i]
		}
	}
	return r.cb, r.cr
}

// enlarge doubles a row of a plane in both directions: a pixel is 9/16 of the nearest sample, 3/16 of the next ones in both
// directions and 1/16 of the one across.
func (r *rgbReader) enlarge(plane []uint8, near, far int, out []uint8) {
	n := len(r.near)
	a, b := plane[near*r.img.CStride:][:n], plane[far*r.img.CStride:][:n]
	sums := r.near
	for i := range sums {
		sums[i] = 3*int(a[i]) + int(b[i])
	}
	before := sums[0]
	for i, sum := range sums {
		after := sum
		if i+1 < n {
			after = sums[i+1]
		}
		out[2*i] = uint8((3*sum + before + 8) >> 4)
		if 2*i+1 < len(out) {
			out[2*i+1] = uint8((3*sum + after + 7) >> 4)
		}
		before = sum
	}
}

// widen doubles a row of a plane horizontally: a pixel is 3/4 of the nearest sample and 1/4 of the next one.
func (r *rgbReader) widen(plane, out []uint8) {
	n := len(r.near)
	plane = plane[:n]
	for i, v := range plane {
		out[2*i] = uint8((3*int(v) + int(plane[max(0, i-1)]) + 1) >> 2)
		if 2*i+1 < len(out) {
			out[2*i+1] = uint8((3*int(v) + int(plane[min(n-1, i+1)]) + 2) >> 2)
		}
	}
}
