package controller

import (
	"math"

	"github.com/PlanktoScope/pkbuild/services/camera"
)

// Texts of 2024 for bad settings of the camera.
const (
	badShutter      = "Error: Shutter speed not valid"
	badISO          = "Error: Iso number not valid"
	badGain         = "Error: Image gain not valid"
	badBalance      = "Error: White balance mode not valid"
	badBalanceGain  = "Error: White balance gain not valid"
	badCameraFields = "Camera settings error"
)

// cameraSettings returns settings with the changes of a message, or the text and the place of its first mistake.
func cameraSettings(r *request, s camera.Settings, sensor string) (camera.Settings, string, *FieldError) {
	fields, err := object("settings", r.fields["settings"])
	if err != nil {
		return s, badCameraFields, err
	}
	set := func(key string, most float64, value *float64) *FieldError {
		if isNull(fields[key]) {
			return nil
		}
		v, err := number("settings."+key, fields[key], 0, most)
		if err == nil {
			*value = v
		}
		return err
	}
	exposure := float64(s.Exposure)
	if err := set("shutter_speed", math.MaxInt32, &exposure); err != nil {
		return s, badShutter, err
	}
	s.Exposure = int(exposure)
	if err := gain(fields["image_gain"], "analog", 1, camera.MaxGain, &s.Gain); err != nil {
		err.Field = "settings.image_gain" + err.Field
		return s, badGain, err
	}
	base := camera.ISO(sensor)
	iso := s.Gain * base
	if err := set("iso", camera.MaxGain*base, &iso); err != nil {
		return s, badISO, err
	}
	s.Gain = min(iso/base, camera.MaxGain)
	if !isNull(fields["white_balance"]) {
		mode, err := (&request{fields: fields}).choice("white_balance", "auto", "off")
		if err != nil {
			err.Field = "settings." + err.Field
			return s, badBalance, err
		}
		s.AutoWhiteBalance = mode == "auto"
	}
	for _, g := range []struct {
		color string
		value *float64
	}{{"red", &s.RedGain}, {"blue", &s.BlueGain}} {
		if err := gain(fields["white_balance_gain"], g.color, 100, camera.MaxWhiteBalanceGain, g.value); err != nil && !err.Missing {
			err.Field = "settings.white_balance_gain" + err.Field
			return s, badBalanceGain, err
		}
	}
	return s, "", nil
}

// gain reads one key of an object of gains, in parts of a unit. A missing object changes nothing.
func gain(v []byte, key string, unit, most float64, value *float64) *FieldError {
	if isNull(v) {
		return nil
	}
	fields, err := object("", v)
	if err != nil {
		return err
	}
	g, err := number("."+key, fields[key], 0, most*unit)
	if err == nil {
		*value = g / unit
	}
	return err
}
