package camera

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// libcamera takes pictures with libcamera's programs: rpicam-still and rpicam-vid where they exist, else cam and no preview in
// between. A camera has one user, so the preview ends while a still is taken.
type libcamera struct {
	name   string
	size   image.Point
	still  string // paths of the programs
	video  string // empty: only stills
	simple bool   // still is the program cam

	using sync.Mutex // held while a program runs or a frame is read

	mu       sync.Mutex
	settings Settings
	stream   *stream
}

// stream is a running preview.
type stream struct {
	cmd    *exec.Cmd
	frames *bufio.Reader
	cancel context.CancelFunc
}

// openLibcamera finds the programs and the camera.
func openLibcamera(find func(string) (string, error)) (*libcamera, error) {
	c := &libcamera{}
	var list []byte
	var err error
	if c.still, err = find("rpicam-still"); err == nil {
		c.video, _ = find("rpicam-vid")
		list, err = output(context.Background(), 20*time.Second, c.still, "--list-cameras")
	} else if c.still, err = find("cam"); err == nil {
		c.simple = true
		list, err = output(context.Background(), 20*time.Second, c.still, "--list")
	} else {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, err
	}
	if c.name, c.size, err = parseCameras(list); err != nil {
		return nil, err
	}
	c.settings = DefaultSettings(c.name)
	return c, nil
}

// Lines of `rpicam-still --list-cameras`, and of `cam --list`.
var (
	rpicamLine = regexp.MustCompile(`(?m)^\s*0 : (\w+) \[(\d+)x(\d+)`)
	camLine    = regexp.MustCompile(`(?m)^\s*1: (?:'(\w+)'|.*?(\w+)).*$`)
)

// parseCameras returns the sensor and the resolution of the first camera in a list.
func parseCameras(list []byte) (string, image.Point, error) {
	if m := rpicamLine.FindSubmatch(list); m != nil {
		x, _ := strconv.Atoi(string(m[2]))
		y, _ := strconv.Atoi(string(m[3]))
		return strings.ToUpper(string(m[1])), image.Pt(x, y), nil
	}
	if m := camLine.FindSubmatch(list); m != nil {
		name := strings.ToUpper(string(m[1]) + string(m[2]))
		for sensor, size := range sensors {
			if strings.Contains(strings.ToUpper(string(m[0])), sensor) {
				return sensor, size, nil
			}
		}
		return name, image.Pt(1920, 1080), nil
	}
	return "", image.Point{}, fmt.Errorf("%w: libcamera lists none", ErrMissing)
}

func (c *libcamera) Name() string            { return c.name }
func (c *libcamera) Resolution() image.Point { return c.size }

func (c *libcamera) Apply(s Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	c.mu.Lock()
	c.settings = s
	stream := c.stream
	c.mu.Unlock()
	if stream != nil {
		stream.cancel() // the next frame starts another with the new settings
	}
	return nil
}

// arguments returns what rpicam-still and rpicam-vid have in common.
func (s Settings) arguments() []string {
	balance := []string{"--awbgains", fmt.Sprintf("%.3f,%.3f", s.RedGain, s.BlueGain)}
	if s.AutoWhiteBalance {
		balance = []string{"--awb", "auto"}
	}
	return append(balance, "--nopreview", "--shutter", strconv.Itoa(s.Exposure), "--gain", fmt.Sprintf("%.4f", s.Gain),
		"--sharpness", "0", "--output", "-")
}

func (c *libcamera) Capture(ctx context.Context) (Still, error) {
	c.endStream()
	c.using.Lock()
	defer c.using.Unlock()
	c.endStream()
	c.mu.Lock()
	s := c.settings
	c.mu.Unlock()
	limit := 20*time.Second + 10*time.Duration(s.Exposure)*time.Microsecond
	if c.simple {
		return c.captureSimple(ctx, limit)
	}
	args := append(s.arguments(), "--immediate", "--encoding", "jpg", "--quality", strconv.Itoa(s.Quality),
		"--width", strconv.Itoa(c.size.X), "--height", strconv.Itoa(c.size.Y), "--thumb", "none")
	data, err := output(ctx, limit, c.still, args...)
	if err != nil {
		return Still{}, fmt.Errorf("take picture: %w", err)
	}
	return checkedStill(data)
}

// captureSimple takes a picture with cam, which writes files.
func (c *libcamera) captureSimple(ctx context.Context, limit time.Duration) (Still, error) {
	dir, err := os.MkdirTemp("", "pkcontroller-")
	if err != nil {
		return Still{}, fmt.Errorf("take picture: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "picture.jpg")
	stream := fmt.Sprintf("role=still,width=%d,height=%d,pixelformat=MJPEG", c.size.X, c.size.Y)
	if _, err := output(ctx, limit, c.still, "--camera", "1", "--capture=1", "--stream", stream, "--file="+file); err != nil {
		return Still{}, fmt.Errorf("take picture: %w", err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Still{}, fmt.Errorf("take picture: %w", err)
	}
	return checkedStill(data)
}

// checkedStill returns a picture, or an error if the data are no JPEG file.
func checkedStill(data []byte) (Still, error) {
	if len(data) < 4 || data[0] != 0xff || data[1] != 0xd8 {
		return Still{}, fmt.Errorf("take picture: %d bytes that are no JPEG file", len(data))
	}
	return Still{JPEG: data}, nil
}

func (c *libcamera) Frame(ctx context.Context) ([]byte, error) {
	if c.video == "" {
		still, err := c.Capture(ctx)
		return still.JPEG, err
	}
	c.using.Lock()
	defer c.using.Unlock()
	s, err := c.startStream()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	frame, err := readJPEG(s.frames)
	if err != nil {
		c.endStream()
		_ = s.cmd.Wait()
		return nil, errors.Join(ctx.Err(), fmt.Errorf("read preview: %w", err))
	}
	return frame, nil
}

// startStream starts the preview unless it runs.
func (c *libcamera) startStream() (*stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		return c.stream, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	args := append(c.settings.arguments(), "--timeout", "0", "--codec", "mjpeg", "--framerate", "25",
		"--width", strconv.Itoa(previewWidth), "--height", strconv.Itoa(previewWidth*c.size.Y/c.size.X))
	cmd := exec.CommandContext(ctx, c.video, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start preview: %w", err)
	}
	c.stream = &stream{cmd, bufio.NewReaderSize(out, 1<<16), cancel}
	return c.stream, nil
}

// endStream ends the preview. Frame waits for the program.
func (c *libcamera) endStream() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		c.stream.cancel()
		c.stream = nil
	}
}

func (c *libcamera) Close() error {
	c.endStream()
	return nil
}
