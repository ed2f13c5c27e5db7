package initsteps

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's interface to GPIO pins: include/uapi/linux/gpio.h.
const (
	gpioGetChipInfo = 0x8044b401
	gpioGetLine     = 0xc250b407
	gpioGetValues   = 0xc010b40e

	gpioActiveLow  = 1 << 1
	gpioInput      = 1 << 2
	gpioBiasPullUp = 1 << 8
)

type gpioChipInfo struct {
	name, label [32]byte
	lines       uint32
}

type gpioLineRequest struct {
	offsets  [64]uint32
	consumer [32]byte
	flags    uint64
	attrs    uint32
	_        [5]uint32
	_        [10][3]uint64
	lines    uint32
	buffer   uint32
	_        [5]uint32
	fd       int32
}

type gpioLineValues struct {
	bits, mask uint64
}

// pinHold is how long a pin must be connected to ground to count as held.
const pinHold = 2 * time.Second

// PinHeld reports whether a GPIO pin of the Raspberry Pi's header is connected to ground for two seconds (pinHold) from
// the call on. It returns false at once when the pin is open. It fails if the machine has no such pin, or if the pin is in
// use.
func (Linux) PinHeld(pin int) (held bool, err error) {
	chip, err := headerChip()
	if err != nil {
		return false, err
	}
	request := gpioLineRequest{flags: gpioInput | gpioActiveLow | gpioBiasPullUp, lines: 1}
	request.offsets[0] = uint32(pin)
	copy(request.consumer[:], "pkinit")
	if err := ioctl(chip, gpioGetLine, unsafe.Pointer(&request)); err != nil {
		return false, fmt.Errorf("request pin %d of %s: %w", pin, chip, err)
	}
	line := os.NewFile(uintptr(request.fd), "gpio")
	defer func() { err = errors.Join(err, line.Close()) }()
	for end := time.Now().Add(pinHold); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		values := gpioLineValues{mask: 1}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, line.Fd(), gpioGetValues, uintptr(unsafe.Pointer(&values))); errno != 0 {
			return false, fmt.Errorf("read pin %d of %s: %w", pin, chip, errno)
		}
		if values.bits&1 == 0 {
			return false, nil
		}
	}
	return true, nil
}

// headerChip returns the device of the GPIO chip that the pins of the header belong to: pinctrl-bcm2835, pinctrl-bcm2711 or
// pinctrl-rp1.
func headerChip() (string, error) {
	chips, err := filepath.Glob("/dev/gpiochip*")
	if err != nil {
		return "", err
	}
	for _, chip := range chips {
		var info gpioChipInfo
		if err := ioctl(chip, gpioGetChipInfo, unsafe.Pointer(&info)); err == nil && strings.HasPrefix(string(info.label[:]), "pinctrl-") {
			return chip, nil
		}
	}
	return "", fmt.Errorf("/dev/gpiochip*: none of the %d GPIO chips has the pins of a Raspberry Pi", len(chips))
}
