package camera

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/blackjack/webcam"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/plankton"
)

func world() *plankton.World {
	p := plankton.Default()
	p.Width, p.Height, p.Objects = 1600, 1200, 5
	return plankton.New(p)
}

// brightness returns the mean of a JPEG picture, and the mean square of the difference of neighbouring pixels.
func brightness(t *testing.T, data []byte) (mean, sharpness float64) {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	y := m.(*image.YCbCr)
	for i, v := range y.Y {
		mean += float64(v)
		if i > 0 {
			d := float64(v) - float64(y.Y[i-1])
			sharpness += d * d
		}
	}
	return mean / float64(len(y.Y)), sharpness / float64(len(y.Y))
}

// TestSimulatedPicturesFollowTheConditions: light, exposure and focus are seen in pictures.
func TestSimulatedPicturesFollowTheConditions(t *testing.T) {
	c := Conditions{Light: 1}
	s := NewSimulated(world(), func() Conditions { return c })
	shot := func() []byte {
		still, err := s.Capture(t.Context())
		require.NoError(t, err)
		return still.JPEG
	}
	normal, sharp := brightness(t, shot())
	c.Light = 0.5
	half, _ := brightness(t, shot())
	require.InDelta(t, normal/2, half, 8)
	settings := DefaultSettings(s.Name())
	settings.Exposure *= 2
	require.NoError(t, s.Apply(settings))
	again, _ := brightness(t, shot())
	require.InDelta(t, normal, again, 8)
	c.Light = 0
	dark, _ := brightness(t, shot())
	require.Less(t, dark, 10.0)

	require.NoError(t, s.Apply(DefaultSettings(s.Name())))
	c.Light, c.Defocus = 1, 2000
	_, blurred := brightness(t, shot())
	require.Less(t, blurred, sharp)

	settings.Gain = 17
	require.EqualError(t, s.Apply(settings), "camera setting gain is 17, want 0 to 16")
	s.SetFailure(errors.New("timeout"))
	_, err := s.Capture(t.Context())
	require.EqualError(t, err, "take picture: timeout")
}

func TestSimulatedPreviewIsSmall(t *testing.T) {
	s := NewSimulated(world(), func() Conditions { return Conditions{Light: 1} })
	begin := time.Now()
	for range 3 {
		frame, err := s.Frame(t.Context())
		require.NoError(t, err)
		m, err := jpeg.Decode(bytes.NewReader(frame))
		require.NoError(t, err)
		require.Equal(t, image.Pt(800, 600), m.Bounds().Size())
	}
	require.GreaterOrEqual(t, time.Since(begin), 2*FrameInterval)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Frame(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func picture(t *testing.T, size image.Point) []byte {
	t.Helper()
	data, err := encode(image.NewGray(image.Rectangle{Max: size}), 90)
	require.NoError(t, err)
	return data
}

func TestReadJPEG(t *testing.T) {
	a, b := picture(t, image.Pt(8, 8)), picture(t, image.Pt(32, 16))
	r := bufio.NewReader(bytes.NewReader(append(append(append([]byte("noise\xd8"), a...), 0, 0xff), append(b, a[:20]...)...)))
	for _, want := range [][]byte{a, b} {
		got, err := readJPEG(r)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := readJPEG(r)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = readJPEG(r)
	require.ErrorIs(t, err, io.EOF)
}

func FuzzReadJPEG(f *testing.F) {
	f.Add([]byte("\xff\xd8x\xff\xd9"))
	f.Fuzz(func(t *testing.T, data []byte) {
		picture, err := readJPEG(bufio.NewReader(bytes.NewReader(data)))
		if err == nil && !bytes.Contains(data, picture) {
			t.Error("a picture that is not in the stream")
		}
	})
}

func TestParseCameras(t *testing.T) {
	for list, want := range map[string]struct {
		name string
		size image.Point
	}{
		"Available cameras\n-----------------\n0 : imx477 [4056x3040 12-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx477@1a)\n    Modes: ...\n": {"IMX477", image.Pt(4056, 3040)},
		"Available cameras:\n1: 'imx219' (/base/soc/i2c0mux/i2c@1/imx219@10)\n":                                                          {"IMX219", image.Pt(3280, 2464)},
		"Available cameras:\n1: External camera 'UVC' (\\_SB_.PCI0)\n":                                                                   {"EXTERNAL", image.Pt(1920, 1080)},
	} {
		name, size, err := parseCameras([]byte(list))
		require.NoError(t, err)
		require.Equal(t, want.name, name, list)
		require.Equal(t, want.size, size, list)
	}
	_, _, err := parseCameras([]byte("No cameras available!\n"))
	require.ErrorIs(t, err, ErrMissing)
}

// programs writes stand-ins for libcamera's programs and returns a function that finds them.
func programs(t *testing.T, scripts map[string]string) func(string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scripts {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nDIR="+dir+"\n"+text), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "picture.jpg"), picture(t, image.Pt(64, 48)), 0o644))
	return func(name string) (string, error) {
		path := filepath.Join(dir, name)
		_, err := os.Stat(path)
		return path, err
	}
}

const listing = `case "$1" in --list-cameras) echo "0 : imx477 [4056x3040 12-bit]"; exit;; esac
echo "$0 $*" >> $DIR/log
`

func TestLibcamera(t *testing.T) {
	find := programs(t, map[string]string{
		"rpicam-still": listing + `cat $DIR/picture.jpg`,
		"rpicam-vid":   listing + `while cat $DIR/picture.jpg; do sleep 0.02; done`,
	})
	c, err := openLibcamera(find)
	require.NoError(t, err)
	require.Equal(t, "IMX477", c.Name())
	require.Equal(t, image.Pt(4056, 3040), c.Resolution())
	s := DefaultSettings(c.Name())
	s.Exposure, s.Gain, s.RedGain = 2000, 2, 1.5
	require.NoError(t, c.Apply(s))
	for range 3 {
		_, err := c.Frame(t.Context())
		require.NoError(t, err)
	}
	still, err := c.Capture(t.Context())
	require.NoError(t, err)
	require.Equal(t, picture(t, image.Pt(64, 48)), still.JPEG)
	_, err = c.Frame(t.Context())
	require.NoError(t, err, "the preview goes on")
	require.NoError(t, c.Close())

	path, err := find("log")
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	require.Len(t, lines, 3, "one preview before the still and one after it")
	for i, program := range []string{"rpicam-vid", "rpicam-still", "rpicam-vid"} {
		require.Contains(t, lines[i], program+" --awbgains 1.500,1.350 --nopreview --shutter 2000 --gain 2.0000 --sharpness 0 --output -")
	}
	require.Contains(t, lines[1], "--immediate --encoding jpg --quality 95 --width 4056 --height 3040")
}

func TestLibcameraFails(t *testing.T) {
	c, err := openLibcamera(programs(t, map[string]string{"rpicam-still": listing + `echo "ERROR: camera in use" >&2; exit 255`}))
	require.NoError(t, err)
	_, err = c.Capture(t.Context())
	require.ErrorContains(t, err, "exit status 255: ERROR: camera in use")
	c, err = openLibcamera(programs(t, map[string]string{"rpicam-still": listing + `echo text`}))
	require.NoError(t, err)
	_, err = c.Capture(t.Context())
	require.EqualError(t, err, "take picture: 5 bytes that are no JPEG file")
	_, err = openLibcamera(programs(t, nil))
	require.ErrorIs(t, err, ErrMissing)
}

func TestCam(t *testing.T) {
	c, err := openLibcamera(programs(t, map[string]string{"cam": `case "$1" in --list) echo "1: 'imx219' (x)"; exit;; esac
for a; do case "$a" in --file=*) cp $DIR/picture.jpg "${a#--file=}";; esac; done`}))
	require.NoError(t, err)
	still, err := c.Capture(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, still.JPEG)
	frame, err := c.Frame(t.Context())
	require.NoError(t, err)
	require.Equal(t, still.JPEG, frame)
}

func TestFrameSizes(t *testing.T) {
	size := func(x, y uint32) webcam.FrameSize {
		return webcam.FrameSize{MinWidth: x, MaxWidth: x, MinHeight: y, MaxHeight: y}
	}
	full, small := frameSizes([]webcam.FrameSize{size(640, 480), size(1280, 720), size(1920, 1080)})
	require.Equal(t, image.Pt(1920, 1080), full)
	require.Equal(t, image.Pt(640, 480), small)
	full, small = frameSizes([]webcam.FrameSize{{MinWidth: 32, MaxWidth: 4056, StepWidth: 2, MinHeight: 32, MaxHeight: 3040, StepHeight: 2}})
	require.Equal(t, image.Pt(4056, 3040), full)
	require.Equal(t, image.Pt(800, 600), small)
}

func TestYUYV(t *testing.T) {
	m, err := yuyv([]byte{10, 100, 20, 200, 30, 110, 40, 210}, image.Pt(2, 2))
	require.NoError(t, err)
	require.Equal(t, []byte{10, 20, 30, 40}, m.Y)
	require.Equal(t, []byte{100, 110}, m.Cb)
	require.Equal(t, []byte{200, 210}, m.Cr)
	_, err = yuyv(make([]byte, 7), image.Pt(2, 2))
	require.EqualError(t, err, "frame has 7 bytes, want 8")
}

// TestV4L2 takes pictures with the device in PKBUILD_TEST_VIDEO, such as the kernel's vivid.
func TestV4L2(t *testing.T) {
	device := os.Getenv("PKBUILD_TEST_VIDEO")
	if device == "" {
		t.Skip("PKBUILD_TEST_VIDEO names no video device")
	}
	c, err := Open(device)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Apply(DefaultSettings(c.Name())))
	for range 2 {
		frame, err := c.Frame(t.Context())
		require.NoError(t, err)
		still, err := c.Capture(t.Context())
		require.NoError(t, err)
		m, err := jpeg.Decode(bytes.NewReader(still.JPEG))
		require.NoError(t, err)
		require.Equal(t, c.Resolution(), m.Bounds().Size())
		small, err := jpeg.Decode(bytes.NewReader(frame))
		require.NoError(t, err)
		fmt.Println(c.Name(), m.Bounds().Size(), small.Bounds().Size())
	}
}
