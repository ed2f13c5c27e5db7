package controller

import (
	"fmt"
	"math"

	"github.com/PlanktoScope/pkbuild/services/chips/tmc5160"
)

// Limits of the messages to the motors.
const (
	maxVolume        = 10000 // mL
	maxFocusDistance = 45    // mm, the way of the stage
)

// pump answers a message on actuator/pump.
func (c *Controller) pump(r *request) {
	switch r.action {
	case "move":
		m, err := c.pumpMove(r, "volume", "flowrate", "direction")
		if err != nil {
			c.board.refuse("pump", r.message, pumpMistake(err))
			return
		}
		c.queue(c.pumpAxis, r, m)
	case "stop":
		c.pumpAxis.stop()
		c.board.respond(r.message, Status{Status: "Interrupted"})
	case "get-configuration":
		configuration := map[string]float64{"pump_steps_per_ml": c.hardware().PumpStepsPerML}
		c.board.event("pump", configuration)
		c.board.respond(r.message, configuration)
	case "set-configuration":
		c.calibratePump(r)
	default:
		c.unknownAction("pump", r, "move, stop, set-configuration or get-configuration")
	}
}

// pumpMistake returns the status of a bad message to the pump, with the texts of 2024 where it had any.
func pumpMistake(err *FieldError) Status {
	switch {
	case err.Missing:
		return mistake("Error, the message is missing an argument", err)
	case err.Problem == zeroFlowrate:
		return mistake("Error, The flowrate should not be == 0", err)
	}
	return mistake("", err)
}

const zeroFlowrate = "is 0"

// pumpMove returns the move of fields in mL and mL/min. A flow rate above the hardware's is lowered to it.
func (c *Controller) pumpMove(r *request, volumeField, flowField, directionField string) (*move, *FieldError) {
	h := c.hardware()
	direction, err := r.choice(directionField, "FORWARD", "BACKWARD")
	if err != nil {
		return nil, err
	}
	volume, err := r.number(volumeField, 0, maxVolume)
	if err != nil {
		return nil, err
	}
	flowrate, err := r.number(flowField, 0, math.MaxFloat64)
	if err != nil {
		return nil, err
	}
	if flowrate == 0 {
		return nil, &FieldError{Field: flowField, Problem: zeroFlowrate}
	}
	return checked(h.pumpMove(volume, flowrate, direction == "BACKWARD"), volumeField)
}

// focus answers a message on actuator/focus.
func (c *Controller) focus(r *request) {
	switch r.action {
	case "move":
		m, err := c.focusMove(r)
		switch {
		case err != nil && err.Missing:
			c.board.refuse("focus", r.message, mistake("Error", err))
		case err != nil:
			c.board.refuse("focus", r.message, mistake("", err))
		default:
			c.queue(c.focusAxis, r, m)
		}
	case "stop":
		c.focusAxis.stop()
		c.board.respond(r.message, Status{Status: "Interrupted"})
	default:
		c.unknownAction("focus", r, "move or stop")
	}
}

func (c *Controller) focusMove(r *request) (*move, *FieldError) {
	h := c.hardware()
	direction, err := r.choice("direction", "UP", "DOWN")
	if err != nil {
		return nil, err
	}
	distance, err := r.number("distance", 0, maxFocusDistance)
	if err != nil {
		return nil, err
	}
	speed, err := r.optional("speed", h.FocusMaxSpeed, 0, math.MaxFloat64)
	if err != nil {
		return nil, err
	}
	if speed == 0 {
		return nil, &FieldError{Field: "speed", Problem: "is 0"}
	}
	return checked(h.focusMove(distance, speed, direction == "DOWN"), "distance")
}

// pumpMove returns the move of a volume in mL at a flow rate in mL/min.
func (h *Hardware) pumpMove(volume, flowrate float64, backward bool) *move {
	perML := h.PumpStepsPerML * tmc5160.MicrostepsPerStep
	return newMove(volume, perML, min(flowrate, h.PumpMaxSpeed)/60, backward)
}

// focusMove returns the move of a distance in mm at a speed in mm/s.
func (h *Hardware) focusMove(distance, speed float64, down bool) *move {
	perMM := h.FocusStepsPerMM * tmc5160.MicrostepsPerStep
	return newMove(distance, perMM, min(speed, h.FocusMaxSpeed), down)
}

// checked refuses a move that is longer than a motor can make at once.
func checked(m *move, field string) (*move, *FieldError) {
	if m.microsteps > math.MaxInt32 || m.microsteps < -math.MaxInt32 {
		return nil, &FieldError{Field: field, Problem: fmt.Sprintf("is %v, which is more than %d microsteps", m.amount, math.MaxInt32)}
	}
	return m, nil
}

func newMove(amount, microstepsPerUnit, unitsPerSecond float64, back bool) *move {
	m := &move{amount: amount, microsteps: int64(math.Round(amount * microstepsPerUnit)), speed: unitsPerSecond * microstepsPerUnit}
	if back {
		m.microsteps = -m.microsteps
	}
	return m
}

// queue hands a move to an axis, and answers the request when the move has ended.
func (c *Controller) queue(a *axis, r *request, m *move) {
	m.ended = func(err error) { c.board.respond(r.message, result(err)) }
	if err := a.add(m, false); err != nil {
		c.board.refuse(a.part, r.message, Status{Status: "Error, " + err.Error(), Error: err.Error()})
	}
}

// unknownAction refuses an action that a part does not have.
func (c *Controller) unknownAction(part string, r *request, want string) {
	err := &FieldError{Field: "action", Problem: "is missing, want " + want, Missing: true}
	if r.action != "" {
		err = &FieldError{Field: "action", Problem: "is \"" + shorten([]byte(r.action)) + "\", want " + want}
	}
	c.board.refuse(part, r.message, mistake("", err))
}
