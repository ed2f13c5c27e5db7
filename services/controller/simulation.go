package controller

import (
	"fmt"
	"math"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"

	"github.com/PlanktoScope/pkbuild/services/camera"
	"github.com/PlanktoScope/pkbuild/services/chips/bus"
	"github.com/PlanktoScope/pkbuild/services/chips/hateeprom"
	"github.com/PlanktoScope/pkbuild/services/chips/lm36011"
	"github.com/PlanktoScope/pkbuild/services/chips/mcp4725"
	"github.com/PlanktoScope/pkbuild/services/chips/ssd1306"
	"github.com/PlanktoScope/pkbuild/services/chips/tmc5160"
	"github.com/PlanktoScope/pkbuild/services/plankton"
)

// Simulation is a simulated instrument: the real drivers work on models of the chips. Water flows as the pump turns,
// and pictures depend on the focus and the light.
type Simulation struct {
	Instrument
	Bus        *bus.I2C
	PumpChip   *tmc5160.Model
	FocusChip  *tmc5160.Model
	LED        *lm36011.Model // nil with HAT 3.3
	LightDAC   *mcp4725.Model // nil before HAT 3.3
	BubblerDAC *mcp4725.Model
	Screen     *ssd1306.Model
	Picture    *camera.Simulated
	hardware   Hardware
}

// Simulate returns a simulated instrument, with the HAT version of h, whose camera looks at a world of plankton.
func Simulate(h Hardware, w *plankton.World) (*Simulation, error) {
	s := &Simulation{hardware: h, Bus: &bus.I2C{Devices: map[uint16]bus.Device{}}}
	s.Simulated = true
	s.PumpChip, s.FocusChip = tmc5160.NewModel(), tmc5160.NewModel()
	var err error
	if s.Pump, err = simulatedMotor("pump", s.PumpChip, h); err != nil {
		return nil, err
	}
	if s.Focus, err = simulatedMotor("focus", s.FocusChip, h); err != nil {
		return nil, err
	}
	if h.HATVersion >= newHAT {
		s.LightDAC, s.BubblerDAC = mcp4725.NewModel(), mcp4725.NewModel()
		s.Bus.Devices[mcp4725.LightAddress], s.Bus.Devices[mcp4725.BubblerAddress] = s.LightDAC, s.BubblerDAC
	} else {
		s.LED = lm36011.NewModel()
		s.Bus.Devices[lm36011.Address] = s.LED
	}
	if err := openLamps(&s.Instrument, s.Bus, h); err != nil {
		return nil, err
	}
	s.Bus.Devices[hateeprom.Address] = hateeprom.NewModel(hateeprom.Encode(&hateeprom.Contents{
		Vendor: "PlanktonPlanet", Product: "PlanktoScope Hat (simulated)",
	}))
	if s.HAT, err = hateeprom.Read(s.Bus); err != nil {
		return nil, err
	}
	s.Screen = &ssd1306.Model{}
	s.Bus.Devices[ssd1306.Address] = s.Screen
	if s.Display, err = ssd1306.New(s.Bus); err != nil {
		return nil, err
	}
	s.Picture = camera.NewSimulated(w, s.conditions)
	s.Camera = s.Picture
	return s, nil
}

func simulatedMotor(name string, m *tmc5160.Model, h Hardware) (*tmc5160.Driver, error) {
	pin := &bus.Pin{Label: name + " enable", Set: func(l gpio.Level) error { return m.Out(l) }}
	return tmc5160.New(&bus.SPI{Exchange: m.Exchange}, pin, tmc5160.Options{Name: name, Reverse: h.StepperReverse})
}

// conditions returns what the camera sees: the pump moves plankton, the focus blurs it, and the light makes it visible.
func (s *Simulation) conditions() camera.Conditions {
	direction := 1.0
	if s.hardware.StepperReverse {
		direction = -1
	}
	c := camera.Conditions{
		Volume:  direction * s.PumpChip.Turned() / (s.hardware.PumpStepsPerML * tmc5160.MicrostepsPerStep),
		Defocus: math.Abs(s.FocusChip.Turned()) / (s.hardware.FocusStepsPerMM * tmc5160.MicrostepsPerStep) * 1000,
	}
	if s.LED != nil {
		c.Light = s.LED.Current() / 10 // mA at the start
	} else {
		c.Light = s.LightDAC.Output()
	}
	return c
}

// openLamps opens the light and the bubbler that a version of the HAT has.
func openLamps(i *Instrument, b i2c.Bus, h Hardware) error {
	if h.HATVersion < newHAT {
		led, err := lm36011.New(b)
		if err != nil {
			return fmt.Errorf("open light of HAT %v: %w", h.HATVersion, err)
		}
		i.Light = led
		return nil
	}
	light, err := mcp4725.New(b, mcp4725.LightAddress, "light")
	if err != nil {
		return fmt.Errorf("open light of HAT %v: %w", h.HATVersion, err)
	}
	bubbler, err := mcp4725.New(b, mcp4725.BubblerAddress, "bubbler")
	if err != nil {
		return fmt.Errorf("open bubbler of HAT %v: %w", h.HATVersion, err)
	}
	i.Light, i.Bubbler = light, bubbler
	return nil
}
