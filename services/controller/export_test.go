package controller

import "github.com/PlanktoScope/pkbuild/services/mqtt"

// CheckMessage returns the status that a message to the pump or the focus, or one that starts an acquisition, is refused with.
func CheckMessage(topic string, payload []byte) Status {
	r, err := parse(mqtt.Message{Topic: topic, Payload: payload})
	if err != nil {
		return mistake("", err)
	}
	c := &Controller{hw: DefaultHardware()}
	switch topic {
	case "actuator/pump":
		_, err = c.pumpMove(r, "volume", "flowrate", "direction")
	case "actuator/focus":
		_, err = c.focusMove(r)
	default:
		_, err = (&imager{c: c}).plan(r)
	}
	if err != nil {
		return pumpMistake(err)
	}
	return Status{Status: "Started"}
}
