package camera

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"time"
)

// Open returns the camera of a V4L2 device, such as /dev/video0. If device is empty, it returns the one that libcamera's
// programs find, else that of /dev/video0, and an error that wraps ErrMissing if there is neither.
func Open(device string) (Camera, error) {
	if device == "" {
		if c, err := openLibcamera(exec.LookPath); err == nil {
			return c, nil
		} else if !errors.Is(err, ErrMissing) {
			return nil, err
		}
		device = "/dev/video0"
		if _, err := os.Stat(device); err != nil {
			return nil, fmt.Errorf("%w: neither rpicam-still, cam nor %s was found", ErrMissing, device)
		}
	}
	return openV4L2(device)
}

// maxJPEG limits the bytes of one picture.
const maxJPEG = 64 << 20

// readJPEG returns the next JPEG file of a stream of them, from its start marker to its end marker. Bytes in between are skipped.
func readJPEG(r *bufio.Reader) ([]byte, error) {
	var last byte
	var picture []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && picture != nil {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if picture == nil {
			if last == 0xff && b == 0xd8 {
				picture = append(make([]byte, 0, 64<<10), 0xff, 0xd8)
				b = 0
			}
			last = b
			continue
		}
		picture = append(picture, b)
		if last == 0xff && b == 0xd9 {
			return picture, nil
		}
		if len(picture) > maxJPEG {
			return nil, fmt.Errorf("read JPEG: longer than %d bytes", maxJPEG)
		}
		last = b
	}
}

// output runs a program and returns what it prints. It fails with the end of the program's messages.
func output(ctx context.Context, limit time.Duration, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		message := stderr.Bytes()
		message = bytes.TrimSpace(message[max(0, len(message)-500):])
		return nil, fmt.Errorf("run %s: %w: %s", name, err, message)
	}
	return stdout.Bytes(), nil
}

// sensors are the resolutions of the PlanktoScope's cameras.
var sensors = map[string]image.Point{"IMX477": {4056, 3040}, "IMX219": {3280, 2464}}
