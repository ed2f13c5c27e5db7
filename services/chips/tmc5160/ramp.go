package tmc5160

import "math"

// ramp is the state of the ramp generator: position in microsteps, and velocity in microsteps/s.
type ramp struct{ x, v float64 }

// toVelocity changes the velocity with an acceleration for some seconds.
func (r *ramp) toVelocity(v, a, seconds float64) {
	if a <= 0 {
		r.x += r.v * seconds
		return
	}
	t := min(math.Abs(v-r.v)/a, seconds)
	r.accelerate(math.Copysign(a, v-r.v), t)
	if t < seconds {
		r.v = v
		r.x += v * (seconds - t)
	}
}

func (r *ramp) accelerate(a, seconds float64) {
	r.x += r.v*seconds + a*seconds*seconds/2
	r.v += a * seconds
}

// toPosition moves towards a target for some seconds: it accelerates with a up to vmax and decelerates with d so that it stops on
// the target. Each turn of the loop is one phase of the trapezoid.
func (r *ramp) toPosition(target, vmax, a, d, seconds float64) {
	if a <= 0 || d <= 0 {
		r.x += r.v * seconds
		return
	}
	for seconds > 0 && (r.x != target || r.v != 0) {
		p := r.phase(target, vmax, a, d)
		if p.seconds > seconds {
			r.accelerate(p.acceleration, seconds)
			return
		}
		r.accelerate(p.acceleration, p.seconds)
		r.v = p.velocity // without rounding errors
		if p.last {
			r.x = target
		}
		seconds -= p.seconds
	}
}

// phase is a time of constant acceleration, and the velocity at its end.
type phase struct {
	acceleration, seconds, velocity float64
	last                            bool // ends on the target
}

// phase returns the present phase of the way to a target.
func (r *ramp) phase(target, vmax, a, d float64) phase {
	sign := math.Copysign(1, target-r.x)
	distance, v := math.Abs(target-r.x), r.v*sign // towards the target
	stop := v * v / (2 * d)
	switch {
	case v < 0: // away from the target
		return phase{sign * d, -v / d, 0, false}
	case v > 0 && math.Abs(distance-stop) < 0.01+1e-6*stop:
		return phase{-sign * v * v / (2 * distance), 2 * distance / v, 0, true}
	case distance < stop: // the target came too near: pass it and return
		return phase{-sign * d, v / d, 0, false}
	case v > vmax: // VMAX was lowered
		return phase{-sign * d, (v - vmax) / d, sign * vmax, false}
	case v < vmax: // until vmax, or until the distance that is left is the one for stopping
		top := min(vmax, math.Sqrt((2*a*d*distance+d*v*v)/(a+d)))
		return phase{sign * a, (top - v) / a, sign * top, false}
	case vmax == 0:
		return phase{0, math.Inf(1), 0, false}
	}
	return phase{0, (distance - stop) / v, r.v, false}
}
