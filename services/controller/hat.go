package controller

import (
	"errors"
	"fmt"
	"os"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/host/v3"
	"periph.io/x/host/v3/sysfs"

	"github.com/PlanktoScope/pkbuild/services/camera"
	"github.com/PlanktoScope/pkbuild/services/chips/hateeprom"
	"github.com/PlanktoScope/pkbuild/services/chips/ssd1306"
	"github.com/PlanktoScope/pkbuild/services/chips/tmc5160"
)

// HasHAT reports whether the machine may have a PlanktoScope HAT: the firmware found some HAT, or the SPI bus is enabled.
func HasHAT() bool {
	for _, name := range []string{"/proc/device-tree/hat", "/dev/spidev0.0"} {
		if _, err := os.Stat(name); err == nil {
			return true
		}
	}
	return false
}

// OpenHAT opens the hardware of a PlanktoScope HAT on a Raspberry Pi. It fails if a motor, the light or, from HAT 3.2 on,
// the bubbler does not answer; the display and the HAT's EEPROM may be missing, and the camera c may be nil.
func OpenHAT(h Hardware, c camera.Camera) (Instrument, error) {
	i := Instrument{Camera: c}
	if _, err := host.Init(); err != nil {
		return i, fmt.Errorf("open HAT: %w", err)
	}
	var errs []error
	for _, m := range []struct {
		name       string
		chipSelect int
		enable     string
		driver     **tmc5160.Driver
	}{{"pump", 0, "GPIO23", &i.Pump}, {"focus", 1, "GPIO5", &i.Focus}} {
		d, err := openMotor(m.name, m.chipSelect, m.enable, h.StepperReverse)
		errs = append(errs, err)
		*m.driver = d
	}
	bus, err := sysfs.NewI2C(1)
	if err != nil {
		return i, errors.Join(append(errs, fmt.Errorf("open I2C bus 1: %w", err))...)
	}
	if identification, err := sysfs.NewI2C(0); err == nil {
		i.HAT, _ = hateeprom.Read(identification) // a HAT of one's own may have none
	}
	if h.HATVersion < newHAT { // the circuit of the light is enabled by a pin
		errs = append(errs, setPin("GPIO18", gpio.High))
	}
	errs = append(errs, openLamps(&i, bus, h))
	if d, err := ssd1306.New(bus); err == nil {
		i.Display = d
	}
	return i, errors.Join(errs...)
}

func openMotor(name string, chipSelect int, enable string, reverse bool) (*tmc5160.Driver, error) {
	port, err := sysfs.NewSPI(0, chipSelect)
	if err != nil {
		return nil, fmt.Errorf("open SPI bus of motor %s: %w", name, err)
	}
	conn, err := port.Connect(physic.MegaHertz, spi.Mode3, 8)
	if err != nil {
		return nil, fmt.Errorf("open SPI bus of motor %s: %w", name, err)
	}
	pin := gpioreg.ByName(enable)
	if pin == nil {
		return nil, fmt.Errorf("open motor %s: pin %s is missing", name, enable)
	}
	return tmc5160.New(conn, pin, tmc5160.Options{Name: name, Reverse: reverse})
}

func setPin(name string, l gpio.Level) error {
	pin := gpioreg.ByName(name)
	if pin == nil {
		return fmt.Errorf("pin %s is missing", name)
	}
	if err := pin.Out(l); err != nil {
		return fmt.Errorf("set pin %s: %w", name, err)
	}
	return nil
}
