package camera

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"slices"
	"sync"
	"time"

	"github.com/blackjack/webcam"
)

// Pixel formats of V4L2.
const (
	formatMJPEG webcam.PixelFormat = 'M' | 'J'<<8 | 'P'<<16 | 'G'<<24
	formatYUYV  webcam.PixelFormat = 'Y' | 'U'<<8 | 'Y'<<16 | 'V'<<24
)

// Controls of V4L2.
const (
	controlAutoExposure webcam.ControlID = 0x009a0901 // 1: manual
	controlExposure     webcam.ControlID = 0x009a0902 // 100 µs
	controlGain         webcam.ControlID = 0x00980913
	controlAutoBalance  webcam.ControlID = 0x0098090c
	controlRedBalance   webcam.ControlID = 0x0098090e
	controlBlueBalance  webcam.ControlID = 0x0098090f
)

// bufferCount is the number of frames for which the kernel has buffers.
const bufferCount = 4

// v4l2 is a video device that streams MJPEG or YUYV.
type v4l2 struct {
	device *webcam.Webcam // written with both locks
	path   string
	name   string
	format webcam.PixelFormat
	full   image.Point
	small  image.Point

	setting  sync.Mutex
	settings Settings

	streaming sync.Mutex
	current   image.Point // size of the stream; zero: none
}

// openV4L2 opens a video device. It fails if the device has neither MJPEG nor YUYV.
func openV4L2(name string) (*v4l2, error) {
	d, err := webcam.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open camera %s: %w", name, err)
	}
	c := &v4l2{device: d, path: name, name: name}
	if n, err := d.GetName(); err == nil {
		c.name = n
	}
	formats := d.GetSupportedFormats()
	switch {
	case formats[formatMJPEG] != "":
		c.format = formatMJPEG
	case formats[formatYUYV] != "":
		c.format = formatYUYV
	default:
		_ = d.Close()
		return nil, fmt.Errorf("open camera %s: pixel formats are %v, want MJPEG or YUYV", name, formats)
	}
	c.full, c.small = frameSizes(d.GetSupportedFrameSizes(c.format))
	if c.full == (image.Point{}) {
		_ = d.Close()
		return nil, fmt.Errorf("open camera %s: device lists no frame sizes", name)
	}
	if err := d.SetBufferCount(bufferCount); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("open camera %s: %w", name, err)
	}
	c.settings = DefaultSettings(c.name)
	return c, nil
}

// frameSizes returns the largest size, for stills, and the one nearest to previewWidth.
func frameSizes(sizes []webcam.FrameSize) (full, small image.Point) {
	for _, s := range sizes {
		p := image.Pt(int(s.MaxWidth), int(s.MaxHeight))
		if p.X*p.Y > full.X*full.Y {
			full = p
		}
		if s.StepWidth > 0 && s.MinWidth <= previewWidth && s.MaxWidth >= previewWidth { // any size
			p = image.Pt(previewWidth, min(previewWidth*3/4, int(s.MaxHeight)))
		}
		if small == (image.Point{}) || abs(p.X-previewWidth) < abs(small.X-previewWidth) {
			small = p
		}
	}
	return full, small
}

func abs(n int) int { return max(n, -n) }

func (c *v4l2) Name() string            { return c.name }
func (c *v4l2) Resolution() image.Point { return c.full }

func (c *v4l2) Apply(s Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	c.setting.Lock()
	defer c.setting.Unlock()
	c.settings = s
	automatic := int32(0)
	if s.AutoWhiteBalance {
		automatic = 1
	}
	controls := c.device.GetControls()
	for _, v := range []struct {
		id    webcam.ControlID
		value int32
	}{
		{controlAutoExposure, 1}, {controlExposure, int32(s.Exposure / 100)}, {controlGain, int32(s.Gain * 100 / MaxGain)},
		{controlAutoBalance, automatic}, {controlRedBalance, int32(s.RedGain * 100)}, {controlBlueBalance, int32(s.BlueGain * 100)},
	} {
		control, ok := controls[v.id]
		if !ok {
			continue // devices have few of them
		}
		if err := c.device.SetControl(v.id, min(max(v.value, control.Min), control.Max)); err != nil {
			return fmt.Errorf("set %s of camera %s: %w", control.Name, c.name, err)
		}
	}
	return nil
}

// present returns the settings.
func (c *v4l2) present() Settings {
	c.setting.Lock()
	defer c.setting.Unlock()
	return c.settings
}

func (c *v4l2) Capture(ctx context.Context) (Still, error) {
	c.streaming.Lock()
	defer c.streaming.Unlock()
	const settle = bufferCount + 1 // frames that waited, and the one that is being exposed
	for range settle {
		if _, err := c.read(ctx, c.full); err != nil {
			return Still{}, fmt.Errorf("take picture: %w", err)
		}
	}
	frame, err := c.read(ctx, c.full)
	if err != nil {
		return Still{}, fmt.Errorf("take picture: %w", err)
	}
	data, err := c.encode(frame, c.full, c.present().Quality)
	if err != nil {
		return Still{}, fmt.Errorf("take picture: %w", err)
	}
	return checkedStill(data)
}

func (c *v4l2) Frame(ctx context.Context) ([]byte, error) {
	c.streaming.Lock()
	defer c.streaming.Unlock()
	frame, err := c.read(ctx, c.small)
	if err != nil {
		return nil, fmt.Errorf("read preview: %w", err)
	}
	return c.encode(frame, c.small, 80)
}

// read returns the next frame of a size.
func (c *v4l2) read(ctx context.Context, size image.Point) ([]byte, error) {
	if c.current != size {
		if err := c.start(size); err != nil {
			return nil, err
		}
	}
	limit := time.Now().Add(10*time.Second + time.Duration(c.present().Exposure)*time.Microsecond)
	for ctx.Err() == nil {
		err := c.device.WaitForFrame(1)
		if _, ok := err.(*webcam.Timeout); ok && time.Now().Before(limit) {
			continue
		}
		if err != nil {
			c.current = image.Point{}
			return nil, err
		}
		frame, err := c.device.ReadFrame()
		if err != nil {
			c.current = image.Point{}
			return nil, err
		}
		if len(frame) > 0 {
			return slices.Clone(frame), nil // the buffer is the kernel's again
		}
	}
	return nil, ctx.Err()
}

// start streams frames of a size.
func (c *v4l2) start(size image.Point) error {
	if c.current != (image.Point{}) {
		c.current = image.Point{}
		if err := c.reopen(); err != nil {
			return fmt.Errorf("stop stream: %w", err)
		}
	}
	format, x, y, err := c.device.SetImageFormat(c.format, uint32(size.X), uint32(size.Y))
	if err != nil {
		return fmt.Errorf("set size %v: %w", size, err)
	}
	if format != c.format || int(x) != size.X || int(y) != size.Y {
		return fmt.Errorf("set size %v: device took %dx%d", size, x, y)
	}
	if err := c.device.StartStreaming(); err != nil {
		return fmt.Errorf("start stream: %w", err)
	}
	c.current = size
	return nil
}

// reopen closes the device, which ends the stream and frees its buffers, and opens it again. As long as there are buffers the
// device refuses another size. Settings stay in the device.
func (c *v4l2) reopen() error {
	c.setting.Lock()
	defer c.setting.Unlock()
	if err := c.device.Close(); err != nil {
		return err
	}
	d, err := webcam.Open(c.path)
	if err != nil {
		return err
	}
	c.device = d
	return d.SetBufferCount(bufferCount)
}

// encode returns a frame as JPEG.
func (c *v4l2) encode(frame []byte, size image.Point, quality int) ([]byte, error) {
	if c.format == formatMJPEG {
		return bytes.Clone(frame), nil
	}
	m, err := yuyv(frame, size)
	if err != nil {
		return nil, err
	}
	return encode(m, quality)
}

// yuyv returns the picture of a frame with two bytes per pixel: Y0 Cb Y1 Cr.
func yuyv(frame []byte, size image.Point) (*image.YCbCr, error) {
	if len(frame) < size.X*size.Y*2 {
		return nil, fmt.Errorf("frame has %d bytes, want %d", len(frame), size.X*size.Y*2)
	}
	m := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio422)
	for y := range size.Y {
		row := frame[y*size.X*2:][:size.X*2]
		for x := 0; x+1 < size.X; x += 2 {
			m.Y[y*m.YStride+x], m.Y[y*m.YStride+x+1] = row[2*x], row[2*x+2]
			m.Cb[y*m.CStride+x/2], m.Cr[y*m.CStride+x/2] = row[2*x+1], row[2*x+3]
		}
	}
	return m, nil
}

func (c *v4l2) Close() error { return c.device.Close() }
