package controller

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// Hardware is the content of hardware.json: the motors, light and limits of an instrument. When the controller changes the
// file, keys that it does not know stay.
type Hardware struct {
	StepperReverse  bool
	StepperType     string
	HATType         string
	HATVersion      float64
	FocusStepsPerMM float64
	PumpStepsPerML  float64
	FocusMaxSpeed   float64 // mm/s
	PumpMaxSpeed    float64 // mL/min
	RedGain         float64 // of the camera's white balance
	BlueGain        float64
	PixelSize       float64 // µm
}

// DefaultHardware returns the values that hold without hardware.json: those of a PlanktoScope HAT 1.2.
func DefaultHardware() Hardware {
	return Hardware{
		StepperType: "pscope_hat", HATVersion: 1.2, FocusStepsPerMM: 40, PumpStepsPerML: 2045, FocusMaxSpeed: 5, PumpMaxSpeed: 50,
		RedGain: 2.4, BlueGain: 1.35, PixelSize: 0.75,
	}
}

// newHAT is the first version of the HAT with converters for the light and the bubbler.
const newHAT = 3.2

// ParseHardware decodes the content of hardware.json. A key that is missing has its default value, which for the pump
// depends on the version of the HAT. The error joins all mistakes.
func ParseHardware(data []byte) (Hardware, error) {
	h := DefaultHardware()
	m := &dataset.Metadata{}
	if err := m.UnmarshalJSON(data); err != nil {
		return h, fmt.Errorf("read hardware.json: %w", err)
	}
	if m.Text("hat_version") != "" {
		if v, err := m.Float("hat_version"); err == nil && v >= newHAT {
			h.PumpStepsPerML, h.PumpMaxSpeed = 3220, 20
		}
	}
	var errs []error
	for _, f := range []struct {
		key         string
		value       *float64
		least, most float64
	}{
		{"hat_version", &h.HATVersion, 0, 100},
		{"focus_steps_per_mm", &h.FocusStepsPerMM, 1, 1e5},
		{"pump_steps_per_ml", &h.PumpStepsPerML, 1, 1e6},
		{"focus_max_speed", &h.FocusMaxSpeed, 0.001, 100},
		{"pump_max_speed", &h.PumpMaxSpeed, 0.001, 1000},
		{"red_gain", &h.RedGain, 0, 32},
		{"blue_gain", &h.BlueGain, 0, 32},
		{"process_pixel_fixed", &h.PixelSize, 0.01, 100},
	} {
		if !m.Has(f.key) {
			continue
		}
		v, err := m.Float(f.key)
		if err == nil && !(v >= f.least && v <= f.most) {
			err = fmt.Errorf("%s is %v, want %v to %v", f.key, v, f.least, f.most)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read hardware.json: %w", err))
			continue
		}
		*f.value = v
	}
	if m.Has("stepper_type") {
		h.StepperType = m.Text("stepper_type")
	}
	h.HATType = m.Text("hat_type")
	switch reverse := m.Text("stepper_reverse"); reverse {
	case "", "0", "false":
	case "1", "true":
		h.StepperReverse = true
	default:
		errs = append(errs, fmt.Errorf("read hardware.json: stepper_reverse is %s, want 0 or 1", reverse))
	}
	if h.StepperType == "adafruit" {
		errs = append(errs, errors.New("read hardware.json: stepper_type is adafruit, want pscope_hat: the Adafruit HAT is not supported"))
	}
	return h, errors.Join(errs...)
}

// ReadHardware reads and decodes the file hardware.json, as ParseHardware does. If the file does not exist, it returns
// DefaultHardware and no error.
func ReadHardware(name string) (Hardware, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return DefaultHardware(), nil
	}
	if err != nil {
		return DefaultHardware(), fmt.Errorf("read hardware.json: %w", err)
	}
	return ParseHardware(data)
}

// writeHardwareKey changes one key of hardware.json durably.
func writeHardwareKey(name, key string, value float64) error {
	m := &dataset.Metadata{}
	data, err := os.ReadFile(name)
	if err == nil {
		err = m.UnmarshalJSON(data)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", name, err)
	}
	m.Set(key, value)
	if data, err = m.Indented(); err != nil {
		return err
	}
	return atomicfile.Write(name, append(data, '\n'), 0o644)
}

// calibratePump changes pump_steps_per_ml, also in hardware.json.
func (c *Controller) calibratePump(r *request) {
	v, err := r.number("pump_steps_per_ml", 1, 1e6)
	if err != nil {
		c.board.refuse("pump", r.message, mistake("", err))
		return
	}
	if err := writeHardwareKey(c.options.HardwareFile, "pump_steps_per_ml", v); err != nil {
		c.board.refuse("pump", r.message, Status{Status: "Error, " + err.Error(), Error: err.Error()})
		return
	}
	c.mu.Lock()
	c.hw.PumpStepsPerML = v
	c.mu.Unlock()
	c.board.event("pump", Status{Status: "Configuration updated"})
	c.board.respond(r.message, Status{Status: "Configuration updated"})
}
