package controller_test

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestMistakes has the texts of 2024, and for each mistake the field.
func TestMistakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		for _, test := range []struct{ topic, payload, status, field string }{
			{"actuator/pump", `{"action":"move","direction":"FORWARD","volume":1}`, "Error, the message is missing an argument", "flowrate"},
			{"actuator/pump", `{"action":"move","volume":1,"flowrate":1}`, "Error, the message is missing an argument", "direction"},
			{"actuator/pump", `{"action":"move","direction":"FORWARD","volume":null,"flowrate":1}`,
				"Error, the message is missing an argument", "volume"},
			{"actuator/pump", `{"action":"move","direction":"FORWARD","volume":1,"flowrate":0}`,
				"Error, The flowrate should not be == 0", "flowrate"},
			{"actuator/pump", `{"action":"move","direction":"LEFT","volume":1,"flowrate":1}`,
				`Error, direction is "LEFT", want FORWARD or BACKWARD`, "direction"},
			{"actuator/pump", `{"action":"move","direction":"FORWARD","volume":"much","flowrate":1}`,
				`Error, volume is "much", want a number`, "volume"},
			{"actuator/pump", `{"action":"move","direction":"FORWARD","volume":-1,"flowrate":1}`, `Error, volume is -1, want 0 to 10000`, "volume"},
			{"actuator/pump", `{"action":"move","direction":"FORWARD","volume":9000,"flowrate":1}`,
				`Error, volume is 9000, which is more than 2147483647 microsteps`, "volume"},
			{"actuator/pump", `{"action":"move","direction":"FORWARD","volume":"NaN","flowrate":1}`,
				`Error, volume is "NaN", want a number`, "volume"},
			{"actuator/pump", `{"volume":1}`, `Error, action is missing, want move, stop, set-configuration or get-configuration`, "action"},
			{"actuator/pump", `{"action":7}`, `Error, action is 7, want a string`, "action"},
			{"actuator/pump", `{"action":"jump"}`, `Error, action is "jump", want move, stop, set-configuration or get-configuration`, "action"},
			{"actuator/pump", `{"action":"set-configuration"}`, `Error, pump_steps_per_ml is missing`, "pump_steps_per_ml"},
			{"actuator/pump", `[1]`, `Error, message is no JSON object`, ""},
			{"actuator/pump", ``, `Error, message is no JSON object`, ""},
			{"actuator/pump", `null`, `Error, message is no JSON object`, ""},
			{"actuator/pump", strings.Repeat(" ", 1<<20) + "{}", `Error, message has 1048578 bytes, want at most 1048576`, ""},
			{"actuator/focus", `{"action":"move","direction":"UP"}`, "Error", "distance"},
			{"actuator/focus", `{"action":"move","direction":"UP","distance":46}`, "Error, distance is 46, want 0 to 45", "distance"},
			{"actuator/focus", `{"action":"move","direction":"UP","distance":1,"speed":0}`, "Error, speed is 0", "speed"},
			{"light", `{"action":"blink"}`, `Error, action is "blink", want on, off or save`, "action"},
			{"light", `{"action":"on","value":2}`, `Error, value is 2, want 0 to 1`, "value"},
			{"light", `{"settings":3}`, `Error, settings is no JSON object`, "settings"},
			{"display", `{"action":"draw"}`, `Error, action is "draw", want configure or clear`, "action"},
			{"display", `{"action":"configure","config":{}}`, `Error, config.status is missing`, "config.status"},
			{"led-operating-time", `{"action":"increment"}`, `Error, seconds is missing`, "seconds"},
			{"imager/image", `{"action":"update_config"}`, "Configuration message error", "config"},
			{"imager/image", `{"action":"image","sleep":1,"volume":1,"pump_direction":"FORWARD"}`, "Error", "nb_frame"},
			{"imager/anything", `{"action":"image","nb_frame":1.5,"sleep":1,"volume":1,"pump_direction":"FORWARD"}`, "Error", "nb_frame"},
			{"imager/image", `{"action":"image","nb_frame":1,"sleep":1,"volume":1}`, "Error", "pump_direction"},
			{"imager/image", `{"action":"image","nb_frame":1,"sleep":1,"volume":1,"pump_direction":"FORWARD","flowrate":"x"}`, "Error", "flowrate"},
			{"imager/image", `{"action":"image","nb_frame":1,"sleep":1,"volume":1,"pump_direction":"FORWARD"}`,
				"Configuration update error: object_date is missing!", "config.object_date"},
			{"imager/image", `{"action":"dance"}`, `Error, action is "dance", want update_config, image, stop, settings or capture`, "action"},
			{"imager/image", `{"action":"settings"}`, "Camera settings error", "settings"},
			{"imager/image", `{"action":"settings","settings":{"shutter_speed":-1}}`, "Error: Shutter speed not valid", "settings.shutter_speed"},
			{"imager/image", `{"action":"settings","settings":{"iso":1e6}}`, "Error: Iso number not valid", "settings.iso"},
			{"imager/image", `{"action":"settings","settings":{"image_gain":{"analog":17}}}`, "Error: Image gain not valid",
				"settings.image_gain.analog"},
			{"imager/image", `{"action":"settings","settings":{"image_gain":1}}`, "Error: Image gain not valid", "settings.image_gain"},
			{"imager/image", `{"action":"settings","settings":{"white_balance":"warm"}}`, "Error: White balance mode not valid",
				"settings.white_balance"},
			{"imager/image", `{"action":"settings","settings":{"white_balance_gain":{"red":3300}}}`,
				"Error: White balance gain not valid", "settings.white_balance_gain.red"},
		} {
			b.send(test.topic, test.payload)
			_, got := b.next()
			require.Equal(t, test.status, got["status"], test.payload)
			field, _ := got["field"].(string)
			require.Equal(t, test.field, field, test.payload)
			require.NotEmpty(t, got["error"], test.payload)
		}
		b.quiet()
		require.Zero(t, math.Abs(b.sim.PumpChip.Turned())+math.Abs(b.sim.FocusChip.Turned()))
		b.end()
	})
}
